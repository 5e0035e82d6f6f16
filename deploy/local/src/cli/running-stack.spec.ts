import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runningStack } from './running-stack.ts';

const notes = join(tmpdir(), `entente-running-${process.getuid?.() ?? 0}`);
const other = spawn('sleep', ['60'], { stdio: 'ignore' });
const draft = join(notes, `${String(other.pid)}.json.new`);

afterEach(async () => {
  other.kill();
  await rm(draft, { force: true });
});

describe('the notes of running stacks', () => {
  test('a note that is still being written is none', async () => {
    await mkdir(notes, { recursive: true, mode: 0o700 });
    await writeFile(draft, '{"pid":', { mode: 0o600 });
    expect((await runningStack())?.pid).not.toBe(other.pid);
  });
});
