import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { repositoryFile } from '../stack/paths.ts';

const root = repositoryFile('').replace(/\/$/, '');
const leftOut = new Set(['.git', 'node_modules', '.entente', '.ci', 'docs']);

/** The repository as it stands, compiled files included; packages are those that are installed, ours are the copy's. */
async function copyOfRepository(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'write-a-connector-'));
  await cp(root, copy, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (from) => !leftOut.has(basename(from)) || relative(root, dirname(from)) !== '',
  });
  const packages = join(root, 'node_modules');
  await mkdir(join(copy, 'node_modules'));
  for (const name of await readdir(packages))
    if (name === '@entente' || name === '.package-lock.json')
      await cp(join(packages, name), join(copy, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    else await symlink(join(packages, name), join(copy, 'node_modules', name));
  return copy;
}

/** What the guide tells people to type, in its order. */
const commands = (guide: string): string[] =>
  [...guide.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'));

async function typed(command: string, cwd: string): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn('sh', ['-c', command], {
    cwd,
    env: process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, said };
}

describe('docs/write-a-connector.md, word for word', () => {
  const guide = readFileSync(join(root, 'docs/write-a-connector.md'), 'utf8');
  let copy: string;

  beforeAll(async () => {
    copy = await copyOfRepository();
  }, 30_000);
  afterAll(() => rm(copy, { recursive: true }));

  test('each command succeeds, and the contract really ran', async () => {
    const typing = commands(guide);
    expect(typing.length).toBeGreaterThan(2);
    const transcript: string[] = [];
    for (const command of typing) {
      const { code, said } = await typed(command, copy);
      transcript.push(said);
      expect({ command, code, said: code === 0 ? '' : said }).toEqual({ command, code: 0, said: '' });
    }
    expect(transcript.join('\n')).toContain('partners/acme-crm/acme-crm.it-spec.ts');
    expect(existsSync(join(root, 'services/crm-connector/src/partners/acme-crm'))).toBe(false);
  }, 120_000);

  test('every file of its table is there', () => {
    const own = 'services/crm-connector/src/partners/acme-crm/';
    const named = [...guide.matchAll(/`((?:services|test|…)\/[^`]*acme-crm[^`]*|…\/[^`]+\.ts)`/g)].map(
      ([, path = '']) => path.replace('…/', own),
    );
    expect(named.length).toBeGreaterThanOrEqual(7);
    expect(named.filter((path) => !existsSync(join(copy, path)))).toEqual([]);
  });
});
