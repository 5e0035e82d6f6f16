import { execFile } from 'node:child_process';
import { open, rm, rmdir } from 'node:fs/promises';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** Room for a gate's replica of some thousands of people. */
const size = '64m';
const pageBytes = 4_096;
const chunkBytes = 256 * pageBytes;

/** A disk of its own for one directory, which can be filled to its last page without harm to anybody else. */
export class SmallDisk {
  readonly directory: string;
  readonly #filler: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.#filler = join(directory, 'filler');
  }

  /** @returns why there is none: making one takes the right to mount */
  static async mount(): Promise<SmallDisk | string> {
    const directory = await mkdtemp(join(tmpdir(), 'entente-disk-'));
    try {
      await execute('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory]);
      return new SmallDisk(directory);
    } catch (error) {
      await rmdir(directory);
      return String((error as { readonly stderr?: string }).stderr ?? error).trim();
    }
  }

  async fill(): Promise<void> {
    const file = await open(this.#filler, 'w');
    try {
      for (const bytes of [chunkBytes, pageBytes]) await untilFull(file, Buffer.alloc(bytes));
    } finally {
      await file.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  async unmount(): Promise<void> {
    await execute('umount', [this.directory]);
    await rmdir(this.directory);
  }
}

async function untilFull(file: { write(bytes: Buffer): Promise<unknown> }, bytes: Buffer): Promise<void> {
  try {
    for (;;) await file.write(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
