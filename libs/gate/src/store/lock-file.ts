import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/** What LMDB needs for its table of readers (126 of them, 64 bytes each, behind a head), rounded up to pages. */
const wholeBytes = 12_288;
/** What LMDB makes a shorter one as long as, with a hole. */
const leastBytes = 8_272;
/** What `stat` counts in (POSIX leaves it open; Linux and macOS agree). */
const blockBytes = 512;

/**
 * LMDB makes its lock file as long as it needs it and writes into it through memory. Where the disk has no room left for those
 * pages the kernel can tell nobody but by SIGBUS, which ends the process: a gate that should wait for room would be gone. So the
 * pages are given to the file before, by writes that can fail; one that failed half-way is made good the next time. The file is
 * never cut and keeps what it holds: a store that could not be opened whole may still have it mapped. To be called by whoever
 * alone may open the store.
 */
export function reserveLockFile(path: string): void {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    const { size, blocks } = fstatSync(file);
    if (size >= leastBytes && blocks * blockBytes >= size) return;
    const held = Buffer.alloc(wholeBytes);
    readSync(file, held, 0, wholeBytes, 0);
    for (let at = 0; at < wholeBytes;) at += writeSync(file, held, at, wholeBytes - at, at);
  } finally {
    closeSync(file);
  }
}
