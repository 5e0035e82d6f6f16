import { chainLink, firstLink } from '@entente/contracts';

/** The head of an empty ledger: number 0, all zeros. */
export const noHead: ChainHead = { number: 0, hash: firstLink };

export interface ChainHead {
  readonly number: number;
  readonly hash: Buffer;
}

export interface ChainLink extends ChainHead {
  readonly entryId: string;
  readonly commitment: Buffer;
}

/** REC-5: link n is SHA-256(hash of link n − 1 ‖ commitment to entry n). */
export function linksAfter(
  head: ChainHead,
  entries: readonly { readonly entryId: string; readonly commitment: Buffer }[],
): ChainLink[] {
  const links: ChainLink[] = [];
  let last = head;
  for (const { entryId, commitment } of entries) {
    const link = { entryId, commitment, number: last.number + 1, hash: chainLink(last.hash, commitment) };
    links.push(link);
    last = link;
  }
  return links;
}
