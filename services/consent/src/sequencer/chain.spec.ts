import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { linksAfter, noHead } from './chain.ts';

const sha256 = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const entry = (text: string) => ({ entryId: text, commitment: sha256(Buffer.from(text)) });

test('REC-5 each link hashes the one before and its entry', () => {
  const [first, second] = linksAfter(noHead, [entry('a'), entry('b')]);
  expect(first).toMatchObject({ number: 1, entryId: 'a', hash: sha256(Buffer.alloc(32), sha256(Buffer.from('a'))) });
  expect(second).toMatchObject({ number: 2, entryId: 'b', hash: sha256(first!.hash, sha256(Buffer.from('b'))) });
});

test('REC-5 numbering in two batches is the same as in one', () => {
  const [first] = linksAfter(noHead, [entry('a')]);
  expect(linksAfter(first!, [entry('b')])).toEqual(linksAfter(noHead, [entry('a'), entry('b')]).slice(1));
});
