import { expect, test } from '@jest/globals';
import { murmur2, partitionOf } from './partition.ts';

// Computed with kafka-clients 4.2.0: Utils.murmur2 and BuiltInPartitioner.partitionForKey(bytes, 12).
const vectors = [
  ['', 275646681, 9],
  ['a', -1563381124, 4],
  ['ab', 316155434, 2],
  ['abc', 479470107, 3],
  ['abcd', -1323649548, 8],
  ['abcde', 461995741, 1],
  ['21', -973932308, 0],
  ['foobar', -790332482, 6],
  ['hello-world', 1993811437, 1],
  ['~watermark', -107097458, 6],
  ['k1.AAAAAAAAAAAAAAAAAAAAAA', 284135766, 6],
  ['k1.3q2-7wEjRWeJq83vEjRWeA', 1012774392, 0],
  ['k1.xK9_zQwErTyUiOpAsDfGhJ', -1245680755, 1],
  ['müsli', 1092323364, 0],
  ['同意', -686578793, 3],
] as const;

test.each(vectors)('%j hashes as in the Java client', (key, hash, partition) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
  expect(partitionOf(key)).toBe(partition);
  expect(partitionOf(Buffer.from(key))).toBe(partition);
});

test('all byte values hash as in the Java client', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(murmur2(bytes)).toBe(-1948347274);
  expect(partitionOf(bytes)).toBe(10);
  expect(partitionOf(bytes, 7)).toBe(3);
});
