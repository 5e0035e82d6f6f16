import { readFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file that may not grow takes so much all the same (F13), bytes. */
const atMost = 4_000;
const fileOf = (directory: string, pid: number): string => join(directory, `${pid}.last-words`);

/**
 * Loaded into every service by `node --import`: what ends a process is written to a file of its own, for its log may be on a disk
 * that is full.
 */
const directory = new URL(import.meta.url).searchParams.get('in');
if (directory !== null)
  process.on('uncaughtExceptionMonitor', (error, origin) => {
    writeFileSync(fileOf(directory, process.pid), `${origin}: ${error.stack ?? String(error)}`.slice(0, atMost));
  });

/** What ended this process, if it could still say so. */
export const lastWords = (directory: string, pid: number): Promise<string | null> =>
  readFile(fileOf(directory, pid), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
