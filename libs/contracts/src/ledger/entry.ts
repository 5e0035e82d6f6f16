import { bytesOf, digestOf, leafDigest, linkDigest, saltBytes, saltedDigest } from './digests.ts';
import type { Digest } from './digests.ts';
import { hashBytes } from './tree.ts';

export { saltBytes } from './digests.ts';

const openingBrace = 0x7b;

/** An entry's text and its salt. Both go when an entry is erased; the commitment to them stays. */
export interface EntryContent {
  /** The exact bytes stored: a JSON object in UTF-8. */
  readonly text: Uint8Array;
  /** Null for entries written before entries had salts. */
  readonly salt: Uint8Array | null;
}

/**
 * What the ledger numbers, chains and proves instead of the entry itself (L-6): SHA-256(0x01 ‖ salt ‖ text), so that a chain
 * of erased entries can be verified like any other. Null when the content cannot be one.
 */
export function commitmentTo(content: EntryContent): Buffer | null {
  const digest = commitmentDigest(content);
  return digest === null ? null : bytesOf(digest);
}

/** As `commitmentTo`, to be compared. */
export function commitmentDigest({ text, salt }: EntryContent): Digest | null {
  if (text[0] !== openingBrace) return null;
  if (salt === null) return digestOf(text);
  return salt.length === saltBytes ? saltedDigest(salt, text) : null;
}

/** REC-5: link n is SHA-256(link n − 1 ‖ commitment n). */
export const chainLink = (before: Uint8Array, commitment: Uint8Array): Buffer =>
  bytesOf(linkDigest(before, commitment));

/** The link before the first: all zeros. */
export const firstLink: Buffer = Buffer.alloc(hashBytes);

/** The Merkle tree's leaf of an entry. */
export const leafOf = (commitment: Uint8Array): Buffer => bytesOf(leafDigest(commitment));
