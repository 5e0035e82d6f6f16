import { hash } from 'node:crypto';

/**
 * A SHA-256 as a text of 32 characters, one for each byte. A hash that Node hands out as a buffer costs a memory of its own,
 * four times what hashing 64 bytes does, and a verification makes four for each entry: they are compared, and hashed again,
 * as texts, and their inputs are put together in memory that is used again.
 */
export type Digest = string;

/** Bytes of every hash of the ledger: SHA-256. */
export const hashBytes = 32;

/** Fresh random bytes of every entry; without them nobody can try out what an erased entry may have said. */
export const saltBytes = 16;

export const digestOf = (bytes: Uint8Array): Digest => hash('sha256', bytes, 'binary');

export const bytesOf = (digest: Digest): Buffer => Buffer.from(digest, 'binary');

export const asDigest = (hashed: Buffer): Digest => hashed.toString('binary');

const leafInput = Buffer.alloc(1 + hashBytes, 0x00);
const nodeInput = Buffer.alloc(1 + 2 * hashBytes, 0x01);
const linkInput = Buffer.alloc(2 * hashBytes);
/** 0x01 ‖ salt ‖ text, for texts that fit. */
const contentInput = Buffer.alloc(16_384, 0x01);
const textAt = 1 + saltBytes;
const saltedPrefix = contentInput.subarray(0, 1);

/** Whatever is shorter than a hash would be hashed together with what was in memory before. */
function expectHash({ length }: { readonly length: number }): void {
  if (length !== hashBytes) throw new RangeError('not a SHA-256');
}

/** RFC 6962 §2.1 (L-1): SHA-256(0x00 ‖ entry), of an entry that is a hash itself. */
export function leafDigest(entry: Uint8Array): Digest {
  expectHash(entry);
  leafInput.set(entry, 1);
  return digestOf(leafInput);
}

/** RFC 6962 §2.1 (L-1): SHA-256(0x01 ‖ left ‖ right). */
export function nodeDigest(left: Digest, right: Digest): Digest {
  expectHash(left);
  expectHash(right);
  nodeInput.write(left, 1, 'binary');
  nodeInput.write(right, 1 + hashBytes, 'binary');
  return digestOf(nodeInput);
}

/** REC-5: link n is SHA-256(link n − 1 ‖ commitment n). */
export function linkDigest(before: Uint8Array, commitment: Uint8Array): Digest {
  expectHash(before);
  expectHash(commitment);
  linkInput.set(before);
  linkInput.set(commitment, hashBytes);
  return digestOf(linkInput);
}

/** L-6: SHA-256(0x01 ‖ salt ‖ text). */
export function saltedDigest(salt: Uint8Array, text: Uint8Array): Digest {
  const length = textAt + text.length;
  if (length > contentInput.length) return digestOf(Buffer.concat([saltedPrefix, salt, text]));
  contentInput.set(salt, 1);
  contentInput.set(text, textAt);
  return digestOf(contentInput.subarray(0, length));
}
