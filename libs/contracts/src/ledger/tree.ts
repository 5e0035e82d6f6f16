import { asDigest, bytesOf, digestOf, nodeDigest } from './digests.ts';
import type { Digest } from './digests.ts';

export { hashBytes } from './digests.ts';

const sha256 = (bytes: Uint8Array): Buffer => bytesOf(digestOf(bytes));

const leafPrefix = Buffer.from([0x00]);
const nodePrefix = Buffer.from([0x01]);

/** RFC 6962 §2.1: the hash of a tree without leaves. */
export const emptyRoot: Buffer = sha256(new Uint8Array());

/** RFC 6962 §2.1 (L-1): SHA-256(0x00 ‖ entry). */
export const leafHash = (entry: Uint8Array): Buffer => sha256(Buffer.concat([leafPrefix, entry]));

/** RFC 6962 §2.1 (L-1): SHA-256(0x01 ‖ left ‖ right). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  sha256(Buffer.concat([nodePrefix, left, right]));

/** A tree over leaves `from` (counted from 0) up to and without `to`. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** The complete tree over leaves index × 2^height up to and without (index + 1) × 2^height. */
export interface Subtree {
  readonly height: number;
  readonly index: number;
}

/** Complete subtrees, left to right, of a range that begins where a tree of its size may begin. */
export function subtreesOf({ from, to }: LeafRange): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let at = from; at < to;) {
    let [height, width] = [0, 1];
    while (at % (width * 2) === 0 && at + width * 2 <= to) [height, width] = [height + 1, width * 2];
    subtrees.push({ height, index: at / width });
    at += width;
  }
  return subtrees;
}

/** The hash of a tree from those of its complete subtrees, left to right. */
export const foldSubtrees = (hashes: readonly Buffer[]): Buffer =>
  hashes.length === 0 ? emptyRoot : hashes.reduceRight((right, left) => nodeHash(left, right));

/** A tree that grows at its right and keeps only its complete subtrees: at most one for each power of two. */
export class GrowingTree {
  /** Left to right; their widths are the powers of two that the size is made of. */
  readonly #subtrees: Digest[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes the hash of the next leaf. */
  append(leaf: Digest): void {
    let last = leaf;
    for (let pairs = this.#size; pairs % 2 === 1; pairs = (pairs - 1) / 2)
      last = nodeDigest(this.#subtrees.pop()!, last);
    this.#subtrees.push(last);
    this.#size += 1;
  }

  root(): Buffer {
    return this.#size === 0 ? emptyRoot : bytesOf(this.#subtrees.reduceRight((right, left) => nodeDigest(left, right)));
  }
}

/** The hash of the tree over these leaves. */
export function rootOf(leaves: Iterable<Buffer>): Buffer {
  const tree = new GrowingTree();
  for (const leaf of leaves) tree.append(asDigest(leaf));
  return tree.root();
}
