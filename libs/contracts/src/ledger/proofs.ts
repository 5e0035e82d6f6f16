import { nodeHash } from './tree.ts';
import type { LeafRange } from './tree.ts';

/** Where RFC 6962 splits a tree of `size` > 1 leaves: the largest power of two below it. */
function splitOf(size: number): number {
  let width = 1;
  while (width * 2 < size) width *= 2;
  return width;
}

/** RFC 6962 §2.1.1: the trees whose hashes are the audit path of leaf `index` in a tree of `size`, the nearest first. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  if (!(index >= 0 && index < size)) throw new RangeError('no such leaf in a tree of this size');
  const away: LeafRange[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const split = from + splitOf(to - from);
    if (index < split) {
      away.push({ from: split, to });
      to = split;
    } else {
      away.push({ from, to: split });
      from = split;
    }
  }
  return away.reverse();
}

/** RFC 6962 §2.1.2: the trees whose hashes prove that the first `old` leaves of a tree of `size` are a tree's of `old`. */
export function consistencyRanges(old: number, size: number): LeafRange[] {
  if (!(old >= 0 && old <= size)) throw new RangeError('the older tree is the larger one');
  if (old === 0 || old === size) return [];
  const away: LeafRange[] = [];
  let [from, to] = [0, size];
  while (to !== old) {
    const split = from + splitOf(to - from);
    if (old <= split) {
      away.push({ from: split, to });
      to = split;
    } else {
      away.push({ from, to: split });
      from = split;
    }
  }
  // The whole of the older tree is known to whoever checks; a part of it is not.
  return [...(from === 0 ? [] : [{ from, to }]), ...away.reverse()];
}

export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leaf: Buffer;
  readonly path: readonly Buffer[];
  readonly root: Buffer;
}

/** RFC 9162 §2.1.3.2. */
export function isIncluded({ index, size, leaf, path, root }: InclusionClaim): boolean {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) return false;
  let place: Place = { node: index, last: size - 1 };
  let hash = leaf;
  for (const sibling of path) {
    if (place.last === 0) return false;
    if (isRight(place)) {
      hash = nodeHash(sibling, hash);
      place = pastLonelyLevels(place);
    } else hash = nodeHash(hash, sibling);
    place = above(place);
  }
  return place.last === 0 && hash.equals(root);
}

export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly size: number;
  readonly oldRoot: Buffer;
  readonly root: Buffer;
  readonly path: readonly Buffer[];
}

/** RFC 9162 §2.1.4.2. An empty tree is the beginning of every tree. */
export function isConsistent({ oldSize, size, oldRoot, root, path }: ConsistencyClaim): boolean {
  if (!(Number.isSafeInteger(oldSize) && Number.isSafeInteger(size) && oldSize >= 0 && oldSize <= size)) return false;
  if (oldSize === size) return path.length === 0 && oldRoot.equals(root);
  if (oldSize === 0) return path.length === 0;
  const [first, ...rest] = isPowerOfTwo(oldSize) ? [oldRoot, ...path] : path;
  if (first === undefined) return false;
  let place: Place = { node: oldSize - 1, last: size - 1 };
  while (place.node % 2 === 1) place = above(place);
  let [oldHash, hash] = [first, first];
  for (const sibling of rest) {
    if (place.last === 0) return false;
    if (isRight(place)) {
      [oldHash, hash] = [nodeHash(sibling, oldHash), nodeHash(sibling, hash)];
      place = pastLonelyLevels(place);
    } else hash = nodeHash(hash, sibling);
    place = above(place);
  }
  return place.last === 0 && oldHash.equals(oldRoot) && hash.equals(root);
}

/** A node on its level, and the last node of that level. */
interface Place {
  readonly node: number;
  readonly last: number;
}

const above = ({ node, last }: Place): Place => ({ node: Math.floor(node / 2), last: Math.floor(last / 2) });

/** The sibling stands to the left: an odd node, or the last of its level, whose sibling stands higher up. */
const isRight = ({ node, last }: Place): boolean => node % 2 === 1 || node === last;

/** Up over the levels where a last node has no sibling. */
function pastLonelyLevels(place: Place): Place {
  let at = place;
  while (at.node % 2 === 0 && at.node !== 0) at = above(at);
  return at;
}

function isPowerOfTwo(size: number): boolean {
  let width = 1;
  while (width < size) width *= 2;
  return width === size;
}
