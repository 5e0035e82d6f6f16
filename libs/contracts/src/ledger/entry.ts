import { sha256 } from './sha256.ts';
import { hashBytes, leafHash } from './tree.ts';

/** Fresh random bytes of every entry; without them nobody can try out what an erased entry may have said. */
export const saltBytes = 16;

const saltedPrefix = Buffer.from([0x01]);
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
export function commitmentTo({ text, salt }: EntryContent): Buffer | null {
  if (text[0] !== openingBrace) return null;
  if (salt === null) return sha256(text);
  if (salt.length !== saltBytes) return null;
  return sha256(Buffer.concat([saltedPrefix, salt, text]));
}

/** REC-5: link n is SHA-256(link n − 1 ‖ commitment n). */
export const chainLink = (before: Uint8Array, commitment: Uint8Array): Buffer =>
  sha256(Buffer.concat([before, commitment], 2 * hashBytes));

/** The link before the first: all zeros. */
export const firstLink: Buffer = Buffer.alloc(hashBytes);

/** The Merkle tree's leaf of an entry. */
export const leafOf = (commitment: Uint8Array): Buffer => leafHash(commitment);
