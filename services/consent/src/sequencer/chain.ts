import { createHash } from 'node:crypto';

const hashBytes = 32;

/** The head of an empty ledger: number 0, all zeros. */
export const noHead: ChainHead = { number: 0, hash: Buffer.alloc(hashBytes) };

export interface ChainHead {
  readonly number: number;
  readonly hash: Buffer;
}

export interface ChainLink extends ChainHead {
  readonly entryId: string;
}

/** REC-5: link n is SHA-256(hash of link n − 1 ‖ SHA-256 of the entry's bytes). */
export function linksAfter(
  head: ChainHead,
  entries: readonly { readonly entryId: string; readonly digest: Buffer }[],
): ChainLink[] {
  const links: ChainLink[] = [];
  let last = head;
  for (const { entryId, digest } of entries) {
    const hash = createHash('sha256').update(last.hash).update(digest).digest();
    const link = { entryId, number: last.number + 1, hash };
    links.push(link);
    last = link;
  }
  return links;
}
