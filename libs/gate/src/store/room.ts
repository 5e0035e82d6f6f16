import { statfsSync } from 'node:fs';

/** What a transaction may need, and what others may take of the disk while it is written; bytes. */
const leastFree = 16 * 1_024 * 1_024;

/** Bytes of a directory's disk that this process may still fill. */
export const freeBytes = (directory: string): number => {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
};

/**
 * To be called before LMDB writes. lmdb 3.5 puts a longer text than fits into a buffer of its own when a page cannot be written
 * (`mdb_page_flush` in its mdb.c), and the next look at the heap ends the process. So a store without room counts as lost before.
 * @throws where less than 16 MiB are free
 */
export function expectRoom(directory: string, free: (directory: string) => number): void {
  const left = free(directory);
  if (left < leastFree) throw new Error(`${directory}: ${left} bytes are free, and ${leastFree} are needed`);
}
