import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readdir, rm, chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { waitFor } from '@entente/test-support';
import { readInfrastructureConfig } from './config.ts';
import { describeBrokers } from './kafka-metadata.ts';
import { cloneInto } from './testing/clone.ts';
import { processesNaming } from './testing/processes.ts';

/** What the program of `testing/clone.ts` tells when its servers are up. */
interface Told {
  databaseUrl: string;
  bootstrap: string[];
  description: string;
  pids: number[];
}

const asRoot = process.getuid?.() === 0;

/** A clone of its own, whose servers are started by a process of its own, so that both can be treated badly. */
describe('servers started from another process', () => {
  let area: string;
  let clone: { program: string; node: string };
  const temporary = (): string => join(area, 'tmp');

  beforeAll(async () => {
    area = await mkdtemp(join(tmpdir(), 'entente-clone-'));
    clone = await cloneInto(join(area, 'clone'));
    await chmod(area, 0o755);
  });
  afterAll(() => rm(area, { recursive: true, force: true }));

  async function start(owner?: { uid: number; gid: number }): Promise<{ parent: ChildProcess; told: Told }> {
    await rm(temporary(), { recursive: true, force: true });
    // The jars are there; fetching them is Maven's work and needs a home directory, which user nobody has not.
    const { cache } = readInfrastructureConfig();
    for (const name of (await readdir(cache)).filter((entry) => entry.startsWith('kafka-')))
      await cp(join(cache, name), join(temporary(), 'cache', name), { recursive: true });
    if (owner) await promisify(execFile)('chown', ['-R', `${owner.uid}:${owner.gid}`, temporary()]);
    await chmod(temporary(), 0o755);
    const { DATABASE_URL: _database, KAFKA_BOOTSTRAP: _bootstrap, NODE_OPTIONS: _options, ...rest } = process.env;
    const env = { ...rest, TMPDIR: temporary(), ENTENTE_CACHE_DIR: join(temporary(), 'cache') };
    const parent = spawn(clone.node, [clone.program], { env, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'], ...owner });
    for await (const line of createInterface(parent.stdout)) return { parent, told: JSON.parse(line) as Told };
    throw new Error('the program ended without a word');
  }

  async function answers({ databaseUrl, bootstrap }: Told): Promise<void> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    expect((await client.query<{ one: number }>('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    const [host, port] = (bootstrap[0] ?? '').split(':');
    expect(await describeBrokers(host ?? '', Number(port))).toHaveLength(1);
  }

  const nothingIsLeft = async (): Promise<void> => {
    await waitFor(async () => (await processesNaming(temporary())).length === 0, { what: 'every process to be gone' });
    await waitFor(async () => (await readdir(temporary())).join() === 'cache', { what: 'every directory to be gone' });
  };

  async function stop(parent: ChildProcess): Promise<void> {
    parent.stdin?.end();
    if (parent.exitCode === null) await once(parent, 'exit');
    expect(parent.exitCode).toBe(0);
  }

  test('work from a clone that only its owner can enter (mode 0700)', async () => {
    await chmod(join(area, 'clone'), 0o700);
    const { parent, told } = await start();
    await answers(told);
    await stop(parent);
    await nothingIsLeft();
    await chmod(join(area, 'clone'), 0o755);
  });

  if (asRoot) {
    test('work for an ordinary user', async () => {
      const nobody = 65_534;
      await chown(join(area, 'clone'), nobody, nobody);
      const { parent, told } = await start({ uid: nobody, gid: nobody });
      expect(told.description).not.toContain('as user');
      await answers(told);
      await stop(parent);
      await nothingIsLeft();
      await chown(join(area, 'clone'), 0, 0);
    });
  }

  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)('leave nothing when their parent dies of %s', async (signal) => {
    const { parent, told } = await start();
    await answers(told);
    parent.kill(signal);
    await once(parent, 'exit');
    await nothingIsLeft();
  });

  test('leave no process when their supervisor is killed', async () => {
    const { parent, told } = await start();
    const [supervisor] = await processesNaming('supervise.mjs').then(async (ids) => {
      const ours = new Set(await processesNaming(temporary()));
      return ids.filter((id) => ours.has(id));
    });
    process.kill(supervisor ?? 0, 'SIGKILL');
    await waitFor(async () => (await processesNaming(join(temporary(), 'entente-run'))).length === 0, {
      what: 'the servers to end',
    });
    await expect(answers(told)).rejects.toThrow();
    await stop(parent);
  });

  test('leave nothing when they are cut off while starting', async () => {
    await rm(temporary(), { recursive: true, force: true });
    const { parent } = await start();
    await stop(parent);
    const { DATABASE_URL: _database, KAFKA_BOOTSTRAP: _bootstrap, NODE_OPTIONS: _options, ...rest } = process.env;
    const env = { ...rest, TMPDIR: temporary(), ENTENTE_CACHE_DIR: join(temporary(), 'cache') };
    const second = spawn(clone.node, [clone.program], { env, stdio: ['pipe', 'ignore', 'inherit'] });
    await waitFor(async () => (await processesNaming(temporary())).length > 1, {
      what: 'the first server to start',
      everyMs: 5,
    });
    second.kill('SIGKILL');
    await nothingIsLeft();
  });
});
