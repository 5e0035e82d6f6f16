import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reserveLockFile } from './lock-file.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-lock-file-'));
  path = join(directory, 'replica.mdb-lock');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const isWhole = async (): Promise<boolean> => {
  const { size, blocks } = await stat(path);
  return size >= 8_272 && blocks * 512 >= size;
};

test.each([4_096, 8_192])(
  'F13 a write that failed after %d bytes leaves no file that counts as whole',
  async (written) => {
    await writeFile(path, Buffer.alloc(written));
    reserveLockFile(path);
    expect(await isWhole()).toBe(true);
  },
);

test('F13 a file with holes is filled in place and keeps what it holds', async () => {
  await writeFile(path, 'held');
  await truncate(path, 8_272);
  const { ino } = await stat(path);
  reserveLockFile(path);
  expect(await isWhole()).toBe(true);
  expect((await stat(path)).ino).toBe(ino);
  expect((await readFile(path)).subarray(0, 4).toString()).toBe('held');
});
