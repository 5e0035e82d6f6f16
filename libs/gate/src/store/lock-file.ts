import { statSync, writeFileSync } from 'node:fs';

/** More than LMDB needs for its table of readers (126 of them, 64 bytes each, behind a page of its own); it cuts off the rest. */
const wholeBytes = 16_384;

/**
 * LMDB makes its lock file as long as it needs it and writes into it through memory. Where the disk has no room left for those
 * pages the kernel can tell nobody but by SIGBUS, which ends the process: a gate that should wait for room would be gone. So the
 * pages are given to the file before, by writes that can fail. To be called by whoever alone may open the store.
 */
export function reserveLockFile(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined && there.size > 0 && there.blocks * blockBytes >= there.size) return;
  writeFileSync(path, Buffer.alloc(wholeBytes));
}

/** What `stat` counts in (POSIX leaves it open; Linux and macOS agree). */
const blockBytes = 512;
