import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cached } from './cache.ts';

describe('what is fetched once', () => {
  let cache: string;
  let builds: number;
  const build = async (staging: string): Promise<void> => {
    builds += 1;
    await writeFile(join(staging, 'tool'), `build ${builds}`, { mode: 0o700 });
  };

  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), 'entente-cache-spec-'));
    builds = 0;
  });
  afterEach(() => rm(cache, { recursive: true, force: true }));

  test('is built once and then found', async () => {
    const first = await cached(cache, 'tool-1', build);
    expect(await cached(cache, 'tool-1', build)).toBe(first);
    expect(builds).toBe(1);
  });

  test('can be run by every user, even if it was made under a narrow umask', async () => {
    const entry = await cached(cache, 'tool-1', build);
    expect((await stat(join(entry, 'tool'))).mode & 0o777).toBe(0o755);
    expect((await stat(entry)).mode & 0o777).toBe(0o755);
    expect((await stat(cache)).mode & 0o777).toBe(0o755);
  });

  test('is whole for everyone when several make it at the same time', async () => {
    const entries = await Promise.all(Array.from({ length: 5 }, () => cached(cache, 'tool-1', build)));
    expect(new Set(entries).size).toBe(1);
    expect(await readFile(join(cache, 'tool-1', 'tool'), 'utf8')).toMatch(/^build \d$/);
    expect(await readdir(cache)).toEqual(['tool-1']);
  });

  test('is built again when the system has cleaned a part of it away', async () => {
    const entry = await cached(cache, 'tool-1', build);
    await rm(join(entry, 'tool'));
    await cached(cache, 'tool-1', build);
    expect(await readFile(join(entry, 'tool'), 'utf8')).toBe('build 2');
    expect(await readdir(cache)).toEqual(['tool-1']);
  });

  test('is not there after a build that failed, and nothing is left of it', async () => {
    await expect(cached(cache, 'tool-1', () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
    expect(await readdir(cache)).toEqual([]);
  });

  test('is freed of the remains of a killed build an hour later', async () => {
    await cached(cache, 'tool-1', build);
    const remains = join(cache, '.tool-2.0123');
    await writeFile(remains, '');
    await utimes(remains, 1_000, 1_000);
    await cached(cache, 'tool-1', build);
    expect(await readdir(cache)).toEqual(['tool-1']);
  });

  test('is not taken from a directory that somebody else could have filled', async () => {
    await chmod(cache, 0o777);
    await cached(cache, 'tool-1', build);
    expect((await stat(cache)).mode & 0o022).toBe(0);
  });
});
