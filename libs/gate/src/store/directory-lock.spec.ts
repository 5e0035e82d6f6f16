import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryLock } from './directory-lock.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-lock-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** What the lock does, in a process of its own. */
const holding = (file: string) => `
  import { DatabaseSync } from 'node:sqlite';
  new DatabaseSync(${JSON.stringify(file)}, { timeout: 0 }).exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  process.stdout.write('held');
  setInterval(() => {}, 1000);`;

describe('GATE-6 the exclusive lock of the directory', () => {
  test('one holder in a process, until it lets go', () => {
    const first = DirectoryLock.tryAcquire(directory);
    expect(first).not.toBeNull();
    expect(DirectoryLock.tryAcquire(directory)).toBeNull();
    first?.release();
    const second = DirectoryLock.tryAcquire(directory);
    expect(second).not.toBeNull();
    second?.release();
  });

  test('a stopped holder keeps it; kill -9 frees it', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', holding(join(directory, 'gate.lock'))]);
    await once(child.stdout, 'data');
    expect(DirectoryLock.tryAcquire(directory)).toBeNull();
    child.kill('SIGSTOP');
    expect(DirectoryLock.tryAcquire(directory)).toBeNull();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const heir = DirectoryLock.tryAcquire(directory);
    expect(heir).not.toBeNull();
    heir?.release();
  });

  test('a directory replaced under the holder is noticed', async () => {
    const lock = DirectoryLock.tryAcquire(directory);
    expect(lock?.stillOurs()).toBe(true);
    await rename(directory, `${directory}.moved`);
    expect(lock?.stillOurs()).toBe(false);
    const other = DirectoryLock.tryAcquire(directory);
    expect(other?.stillOurs()).toBe(true);
    expect(lock?.stillOurs()).toBe(false);
    lock?.release();
    other?.release();
    await rm(`${directory}.moved`, { recursive: true });
  });
});
