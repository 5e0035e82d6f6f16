import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { waitFor } from '@entente/test-support';
import { readInfrastructureConfig } from '../infrastructure/config.ts';
import { processesNaming } from '../infrastructure/testing/processes.ts';
import { repositoryFile } from '../stack/paths.ts';

/** What a stack whose starter is gone may take to end itself and to clean up. */
const endedWithinMs = 10_000;
const root = repositoryFile('.');

let area: string;
beforeEach(async () => {
  area = await mkdtemp(join(tmpdir(), 'entente-starter-'));
  // Postgres may run as another user, and has its directory in here.
  await chmod(area, 0o755);
});
afterEach(() => rm(area, { recursive: true, force: true }));

/** As a person's terminal has it: nothing of this test run's npm, Jest or servers. */
const environment = (): NodeJS.ProcessEnv => {
  const { DATABASE_URL: _database, KAFKA_BOOTSTRAP: _bootstrap, NODE_OPTIONS: _options, ...rest } = process.env;
  const own = Object.entries(rest).filter(([name]) => !name.startsWith('npm_'));
  return { ...Object.fromEntries(own), TMPDIR: area, ENTENTE_CACHE_DIR: readInfrastructureConfig().cache };
};

const childrenOf = async (pid: number): Promise<number[]> =>
  (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number);

describe('npm run dev ends and cleans up', () => {
  let npm: ChildProcess;

  async function started(): Promise<void> {
    npm = spawn('npm', ['run', '--silent', 'dev'], {
      cwd: root,
      env: environment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    npm.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()));
    // A supervisor and a server at least.
    const servers = waitFor(async () => (await processesNaming(area)).length > 1, {
      what: 'servers to run',
      timeoutMs: 60_000,
    });
    const ended = once(npm, 'close').then(() => {
      throw new Error(`npm run dev ended:\n${said}`);
    });
    await Promise.race([servers, ended]);
  }

  const cases: readonly (readonly [string, () => Promise<unknown> | boolean])[] = [
    ['SIGTERM to npm alone', () => npm.kill('SIGTERM')],
    ['SIGINT to npm alone', () => npm.kill('SIGINT')],
    ['SIGKILL to npm', () => npm.kill('SIGKILL')],
    [
      'SIGKILL to what npm runs',
      async () => (await childrenOf(npm.pid!)).map((child) => process.kill(child, 'SIGKILL')),
    ],
  ];
  test.each(cases)(
    'after %s',
    async (_, kill) => {
      await started();
      // Its end is the end of every process that npm's output was handed on to.
      const closed = once(npm, 'close');
      await kill();
      await waitFor(async () => (await processesNaming(area)).length === 0, {
        what: 'every process to be gone',
        timeoutMs: endedWithinMs,
      });
      await closed;
      // What npm's own Node keeps for its next start is its own.
      expect((await readdir(area)).filter((name) => name !== 'node-compile-cache')).toEqual([]);
    },
    90_000,
  );
});

test('a command that a shell started and left goes on; one that npm started does not', async () => {
  const program = join(area, 'program.mjs');
  // Longer than several looks at the starter.
  await writeFile(
    program,
    `console.log('runs');
     process.on('SIGTERM', () => { console.log('told to stop'); process.exit(); });
     setTimeout(() => console.log('ended by itself'), 2_500);`,
  );
  const left = async (more: NodeJS.ProcessEnv): Promise<string> => {
    const command = `'${process.execPath}' deploy/local/bootstrap.mjs --run '${program}' & echo started; wait`;
    const env = { ...environment(), ...more };
    const shell = spawn('sh', ['-c', command], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    shell.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('runs')) shell.kill('SIGKILL');
    });
    await text(shell.stdout);
    return said;
  };
  expect(await left({})).toContain('ended by itself');
  expect(await left({ npm_lifecycle_script: 'node deploy/local/bootstrap.mjs --run' })).toContain('told to stop');
}, 60_000);
