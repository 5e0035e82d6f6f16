import type { Checkpoint } from './checkpoint.ts';
import { asDigest, hashBytes, leafDigest, linkDigest } from './digests.ts';
import type { Digest } from './digests.ts';
import { commitmentDigest, firstLink } from './entry.ts';
import type { EntryContent } from './entry.ts';
import { GrowingTree } from './tree.ts';

/** One numbered entry as it is stored or exported. */
export interface LedgerLine {
  readonly number: number;
  readonly commitment: Buffer;
  /** The chain's link at this number. */
  readonly link: Buffer;
  /** Null where it was erased, or is another controller's. */
  readonly content: EntryContent | null;
}

/** What can be wrong with an entry. `stored`: its row says something else than its text, or is gone. */
export type LedgerFault = 'missing' | 'moved' | 'content' | 'link' | 'forked' | 'truncated' | 'unreadable' | 'stored';

/** The first entry that is not as it was numbered and signed. */
export interface BadEntry {
  readonly number: number;
  readonly fault: LedgerFault;
  readonly detail: string;
}

/** Of two faults that were found apart from each other, the one that comes first. */
export const firstOf = (a: BadEntry | null, b: BadEntry | null): BadEntry | null =>
  a === null || (b !== null && b.number < a.number) ? b : a;

export interface LedgerVerdict {
  readonly bad: BadEntry | null;
  /** Entries read, and those of them whose content was not there to be compared. */
  readonly entries: number;
  readonly withoutContent: number;
  /** The number up to which a signed checkpoint vouches for every entry, and how many checkpoints were compared. */
  readonly signed: number;
  readonly checkpoints: number;
  /** Number and link of the last entry that was right. */
  readonly head: { readonly number: number; readonly hash: string };
}

export interface LedgerAnchors {
  /** Published checkpoints whose signatures were verified, in any order. */
  readonly checkpoints: readonly Checkpoint[];
  /** The published hash of a leaf (a tile of level 0), counted from 0; null where none was published. */
  readonly publishedLeaf?: (index: number) => Buffer | null;
}

/**
 * L-5: takes a whole ledger, entry by entry, and names the first bad one. The content must fit the commitment, the
 * commitment the chain, and the tree of all of them every checkpoint; published leaves tell where a rewritten history left
 * the signed one.
 */
export class LedgerCheck {
  readonly #anchors: readonly Checkpoint[];
  readonly #publishedLeaf: (index: number) => Buffer | null;
  readonly #tree = new GrowingTree();
  /** A copy: a line's bytes are its giver's. */
  readonly #link = Buffer.from(firstLink);
  #withoutContent = 0;
  #compared = 0;
  #signed = 0;
  #firstUnlikePublished: number | null = null;
  #bad: BadEntry | null = null;

  constructor({ checkpoints, publishedLeaf = () => null }: LedgerAnchors) {
    this.#anchors = checkpoints.toSorted((a, b) => a.size - b.size);
    this.#publishedLeaf = publishedLeaf;
    this.#compareCheckpoints();
  }

  /** @returns the first bad entry, once there is one; nothing is looked at after it */
  take(line: LedgerLine): BadEntry | null {
    if (this.#bad !== null) return this.#bad;
    const fault = this.#faultOf(line);
    if (fault !== null) return this.#condemn(fault);
    if (line.content === null) this.#withoutContent += 1;
    const leaf = leafDigest(line.commitment);
    this.#noteUnlikePublished(leaf);
    this.#tree.append(leaf);
    this.#link.set(line.link);
    this.#compareCheckpoints();
    return this.#bad;
  }

  /** A place in the ledger that cannot be read at all. */
  unreadable(detail: string): BadEntry {
    return this.#bad ?? this.#condemn({ number: this.#next, fault: 'unreadable', detail });
  }

  /** After the last entry: is anything that was signed missing? */
  end(): LedgerVerdict {
    const newest = this.#anchors.at(-1);
    if (this.#bad === null && newest !== undefined && newest.size > this.#tree.size)
      this.#condemn({
        number: this.#next,
        fault: 'truncated',
        detail: `the ledger ends at ${this.#tree.size}, a signed checkpoint has ${newest.size} entries`,
      });
    return {
      bad: this.#bad,
      entries: this.#tree.size,
      withoutContent: this.#withoutContent,
      signed: this.#signed,
      checkpoints: this.#compared,
      head: { number: this.#tree.size, hash: this.#link.toString('hex') },
    };
  }

  get #next(): number {
    return this.#tree.size + 1;
  }

  #faultOf({ number, commitment, link, content }: LedgerLine): BadEntry | null {
    const expected = this.#next;
    if (number > expected)
      return { number: expected, fault: 'missing', detail: `after ${expected - 1} comes ${number}` };
    if (number < expected)
      return { number: expected, fault: 'moved', detail: `in its place stands ${number} once more` };
    if (content !== null && commitmentDigest(content) !== asDigest(commitment))
      return { number, fault: 'content', detail: 'its text is not the one that was numbered' };
    if (commitment.length !== hashBytes || linkDigest(this.#link, commitment) !== asDigest(link))
      return { number, fault: 'link', detail: 'the chain does not lead from the entry before to this one' };
    return null;
  }

  #noteUnlikePublished(leaf: Digest): void {
    if (this.#firstUnlikePublished !== null) return;
    const published = this.#publishedLeaf(this.#tree.size);
    if (published !== null && asDigest(published) !== leaf) this.#firstUnlikePublished = this.#next;
  }

  #compareCheckpoints(): void {
    for (
      let next = this.#anchors[this.#compared];
      next?.size === this.#tree.size;
      next = this.#anchors[this.#compared]
    ) {
      if (!next.root.equals(this.#tree.root())) return void this.#condemn(this.#fork(next));
      this.#compared += 1;
      this.#signed = next.size;
      // The signed tree is the authority: a published leaf that differs from it is itself the wrong one.
      this.#firstUnlikePublished = null;
    }
  }

  #fork({ size }: Checkpoint): BadEntry {
    const named = this.#firstUnlikePublished;
    return named === null
      ? {
          number: Math.min(this.#signed + 1, size),
          fault: 'forked',
          detail: `between this entry and ${size} the ledger leaves the history signed in the checkpoint of ${size}`,
        }
      : {
          number: named,
          fault: 'forked',
          detail: `it is not the entry published under this number, which the checkpoint of ${size} signs`,
        };
  }

  /** A history that left the published one earlier is bad from there. */
  #condemn(bad: BadEntry): BadEntry {
    const unlike = this.#firstUnlikePublished;
    this.#bad =
      unlike === null || unlike >= bad.number
        ? bad
        : { number: unlike, fault: 'forked', detail: 'it is not the entry published under this number' };
    return this.#bad;
  }
}
