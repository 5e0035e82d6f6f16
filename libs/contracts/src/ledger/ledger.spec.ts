import { sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BadNote,
  newNoteKeys,
  openCheckpoint,
  parseNoteSigner,
  parseNoteVerifier,
  signCheckpoint,
} from './checkpoint.ts';
import { asDigest } from './digests.ts';
import { consistencyRanges, inclusionRanges, isConsistent, isIncluded } from './proofs.ts';
import { hashIn, tilePath, tilesBetween } from './tiles.ts';
import { GrowingTree, emptyRoot, foldSubtrees, leafHash, nodeHash, rootOf, subtreesOf } from './tree.ts';
import type { LeafRange } from './tree.ts';

/** RFC 6962's own vectors, as in certificate-transparency's tests. */
const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const roots: Record<number, string> = {
  0: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  1: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  3: 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  8: '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
};
const leaves = entries.map((entry) => leafHash(Buffer.from(entry, 'hex')));

/** RFC 6962 §2.1 as it is written. */
function recursiveRoot(of: readonly Buffer[]): Buffer {
  if (of.length === 0) return emptyRoot;
  if (of.length === 1) return of[0]!;
  let split = 1;
  while (split * 2 < of.length) split *= 2;
  return nodeHash(recursiveRoot(of.slice(0, split)), recursiveRoot(of.slice(split)));
}

const leavesOf = (size: number) => Array.from({ length: size }, (_, index) => leafHash(Buffer.from(`entry ${index}`)));
const hashesOf = (all: readonly Buffer[], ranges: readonly LeafRange[]) =>
  ranges.map(({ from, to }) => recursiveRoot(all.slice(from, to)));

describe('L-1 the RFC 6962 tree', () => {
  test.each(Object.entries(roots))('of %s leaves has the root of the test vectors', (size, root) => {
    expect(rootOf(leaves.slice(0, Number(size))).toString('hex')).toBe(root);
  });

  test('of any size has the root that the recursive definition gives', () => {
    const tree = new GrowingTree();
    const all = leavesOf(200);
    for (const [index, leaf] of all.entries()) {
      tree.append(asDigest(leaf));
      expect(tree.root()).toEqual(recursiveRoot(all.slice(0, index + 1)));
      const subtrees = subtreesOf({ from: 0, to: index + 1 }).map(({ height, index: at }) =>
        recursiveRoot(all.slice(at * 2 ** height, (at + 1) * 2 ** height)),
      );
      expect(foldSubtrees(subtrees)).toEqual(tree.root());
    }
  });
});

describe('L-5 proofs', () => {
  const sized = fc.integer({ min: 1, max: 300 }).chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1)));

  test('a leaf is included at its place and at no other, in that tree and in no other', () => {
    fc.assert(
      fc.property(sized, fc.nat(), ([size, index], flip) => {
        const all = leavesOf(size);
        const path = hashesOf(all, inclusionRanges(index, size));
        const claim = { index, size, leaf: all[index]!, path, root: recursiveRoot(all) };
        expect(isIncluded(claim)).toBe(true);
        expect(isIncluded({ ...claim, leaf: leafHash(Buffer.from('another')) })).toBe(false);
        expect(isIncluded({ ...claim, index: index + 1 })).toBe(false);
        expect(isIncluded({ ...claim, path: [...path, emptyRoot] })).toBe(false);
        expect(isIncluded({ ...claim, root: flipped(claim.root, flip) })).toBe(false);
        if (path.length > 0) {
          expect(isIncluded({ ...claim, path: path.slice(1) })).toBe(false);
          expect(isIncluded({ ...claim, path: path.with(flip % path.length, emptyRoot) })).toBe(false);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('an earlier tree is a beginning of a later one, and a forked one is not', () => {
    fc.assert(
      fc.property(sized, fc.nat(), ([size, older], flip) => {
        const oldSize = older + 1;
        const all = leavesOf(size);
        const path = hashesOf(all, consistencyRanges(oldSize, size));
        const claim = { oldSize, size, oldRoot: recursiveRoot(all.slice(0, oldSize)), root: recursiveRoot(all), path };
        expect(isConsistent(claim)).toBe(true);
        expect(isConsistent({ ...claim, oldRoot: flipped(claim.oldRoot, flip) })).toBe(false);
        expect(isConsistent({ ...claim, root: flipped(claim.root, flip) })).toBe(false);
        expect(isConsistent({ ...claim, path: [...path, emptyRoot] })).toBe(false);
        const forked = all.with(flip % oldSize, leafHash(Buffer.from('rewritten')));
        const other = {
          ...claim,
          root: recursiveRoot(forked),
          path: hashesOf(forked, consistencyRanges(oldSize, size)),
        };
        expect(isConsistent(other)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test('sizes that make no sense prove nothing', () => {
    expect(() => inclusionRanges(3, 3)).toThrow(RangeError);
    expect(() => consistencyRanges(4, 3)).toThrow(RangeError);
    const nothing = { oldSize: 2, size: 1, oldRoot: emptyRoot, root: emptyRoot, path: [] };
    expect(isConsistent(nothing)).toBe(false);
    expect(isConsistent({ ...nothing, oldSize: 0 })).toBe(true);
    expect(isIncluded({ index: 0, size: 0, leaf: emptyRoot, path: [], root: emptyRoot })).toBe(false);
    expect(isIncluded({ index: Number.NaN, size: 1, leaf: emptyRoot, path: [], root: emptyRoot })).toBe(false);
  });
});

describe('L-4 checkpoints', () => {
  const { signer, verifier } = newNoteKeys('log.example/acme');
  const [signs, verifies] = [parseNoteSigner(signer), parseNoteVerifier(verifier)];
  const note = signCheckpoint(signs, 8, rootOf(leaves));

  test('a signed note as C2SP writes it', () => {
    const [origin, size, root, blank, signature, end] = note.split('\n');
    expect([origin, size, blank, end]).toEqual(['log.example/acme', '8', '', '']);
    expect(root).toBe(Buffer.from(roots[8]!, 'hex').toString('base64'));
    expect(signature).toMatch(/^— log\.example\/acme [A-Za-z0-9+/=]+$/);
    expect(openCheckpoint(note, verifies)).toEqual({ origin, size: 8, root: rootOf(leaves) });
    expect(signs.verifier.text).toBe(verifier);
  });

  test('the end of the admin log is signed with it; readers pass over lines they do not know', () => {
    const hash = leaves[3]!;
    const signed = signCheckpoint(signs, 8, rootOf(leaves), { number: 17, hash });
    expect(signed.split('\n')[3]).toBe(`admin 17 ${hash.toString('base64')}`);
    expect(openCheckpoint(signed, verifies)).toEqual({
      ...{ origin: signs.verifier.name, size: 8, root: rootOf(leaves) },
      adminLog: { number: 17, hash },
    });
    expect(() => openCheckpoint(signed.replace('admin 17', 'admin 16'), verifies)).toThrow('does not fit');
    for (const [line, fault] of [
      ['admin 17', 'admin log'],
      [`admin 017 ${hash.toString('base64')}`, 'admin log'],
      [`admin 17 ${hash.toString('hex')}`, 'admin log'],
      ['another 17 x', null],
    ] as const) {
      const other = resigned(note.replace('\n\n', `\n${line}\n\n`));
      if (fault === null) expect(openCheckpoint(other, verifies)).not.toHaveProperty('adminLog');
      else expect(() => openCheckpoint(other, verifies)).toThrow(fault);
    }
  });

  /** The same text under a signature that fits it. */
  function resigned(changed: string): string {
    const text = changed.slice(0, changed.lastIndexOf('\n\n') + 1);
    const signature = Buffer.concat([signs.verifier.keyId, sign(null, Buffer.from(text), signs.key)]);
    return `${text}\n— ${signs.verifier.name} ${signature.toString('base64')}\n`;
  }

  test('the notes of the Go implementation are read', () => {
    // golang.org/x/mod/sumdb/note, example of its documentation.
    const peter = parseNoteVerifier('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const text =
      'If you think cryptography is the answer to your problem,\nthen you don’t know what your problem is.\n\n';
    const signed = `${text.replace('’', "'")}— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
    // Its signature holds; as a checkpoint it names another log.
    expect(() => openCheckpoint(signed, peter)).toThrow('another log');
    expect(() => openCheckpoint(signed.replace('answer', 'Answer'), peter)).toThrow('does not fit');
  });

  test('no flipped bit is read as a checkpoint', () => {
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = flipped(bytes, bit).toString('utf8');
        expect(() => openCheckpoint(changed, verifies)).toThrow(BadNote);
      }),
      { numRuns: 300 },
    );
  });

  test('a witness’s signature may stand beside; another key’s, other text and no signature are refused', () => {
    const witness = parseNoteSigner(newNoteKeys('witness.example').signer);
    const line = signCheckpoint(witness, 8, rootOf(leaves)).split('\n').at(-2)!;
    expect(openCheckpoint(`${note}${line}\n`, verifies).size).toBe(8);
    const other = parseNoteVerifier(newNoteKeys('log.example/acme').verifier);
    expect(() => openCheckpoint(note, other)).toThrow('no signature');
    for (const broken of ['', 'x', note.trimEnd(), note.replace('\n\n', '\n'), `${note}rest\n`])
      expect(() => openCheckpoint(broken, verifies)).toThrow(BadNote);
  });

  test('keys are read exactly', () => {
    for (const wrong of [verifier.replace('acme', 'acne'), 'x', `${verifier}A`, verifier.replace('log.', 'log. ')])
      expect(() => parseNoteVerifier(wrong)).toThrow(BadNote);
    expect(() => parseNoteSigner(verifier)).toThrow(BadNote);
    expect(() => parseNoteSigner(signer.replace('acme', 'acne'))).toThrow(BadNote);
    expect(() => newNoteKeys('two words')).toThrow(BadNote);
  });
});

describe('published tiles', () => {
  test.each([
    [0, 0, []],
    [0, 3, ['tile/0/000.p/3']],
    [3, 3, []],
    [3, 300, ['tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1']],
    [256, 257, ['tile/0/001.p/1']],
    [65_535, 65_536, ['tile/0/255', 'tile/1/000', 'tile/2/000.p/1']],
  ])('from %i to %i leaves', (before, size, paths) => {
    expect(tilesBetween(before, size).map(tilePath)).toEqual(paths);
  });

  test('their paths are those of c2sp.org/tlog-tiles', () => {
    expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067');
    expect(tilePath({ level: 15, index: 0, width: 256 })).toBe('tile/15/000');
  });

  test('a hash is found in them, or nothing past their end', () => {
    const tile = Buffer.concat(leaves.slice(0, 2));
    expect(hashIn(tile, 1)).toEqual(leaves[1]);
    expect(hashIn(tile, 2)).toBeNull();
  });
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = copy[at]! ^ (1 << (bit % 8));
  return copy;
}
