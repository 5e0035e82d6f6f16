import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chainLink, commitmentTo, firstLink, leafOf, saltBytes } from './entry.ts';

test('J-4 what is hashed is the text as it stands: the same JSON written otherwise is another commitment', () => {
  const salt = Buffer.alloc(saltBytes, 7);
  const commitment = (text: string) => commitmentTo({ text: Buffer.from(text), salt })?.toString('hex');
  const stored = '{"version":1,"since":"é"}';
  expect(commitment(stored)).toBe(commitment(stored));
  const alike = ['{"since":"é","version":1}', '{"version": 1,"since":"é"}', '{"version":1,"since":"\\u00e9"}'];
  for (const text of [...alike, '{"version":1.0,"since":"é"}', '{"version":1,"since":"e\u0301"}'])
    expect(commitment(text)).not.toBe(commitment(stored));
});

test('L-6 a commitment is SHA-256(0x01 ‖ salt ‖ text) of texts of any length, one after the other', () => {
  const hashes = (salt: Buffer, text: Buffer) =>
    createHash('sha256')
      .update(Buffer.from([1]))
      .update(salt)
      .update(text)
      .digest();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: saltBytes, maxLength: saltBytes }), fc.nat(40_000), (some, length) => {
      const [salt, text] = [Buffer.from(some), Buffer.alloc(length + 1, '{"x":1}')];
      expect(commitmentTo({ text, salt })).toEqual(hashes(salt, text));
    }),
  );
});

test('what is no hash is not chained and no leaf', () => {
  for (const length of [0, 31, 33]) {
    expect(() => chainLink(firstLink, Buffer.alloc(length))).toThrow(RangeError);
    expect(() => leafOf(Buffer.alloc(length))).toThrow(RangeError);
  }
});
