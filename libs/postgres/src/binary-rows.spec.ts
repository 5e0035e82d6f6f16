import { describe, expect, test } from '@jest/globals';
import { BinaryRows } from './binary-rows.ts';

const int = (bytes: 2 | 4, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, 0, bytes);
  return buffer;
};

const rows = [['a', null, 'ccc'], ['', 'é', null], [null]];
const sent = Buffer.concat([
  Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'),
  Buffer.alloc(8),
  ...rows.flatMap((row) => [
    int(2, row.length),
    ...row.flatMap((field) => (field === null ? [int(4, -1)] : [int(4, Buffer.byteLength(field)), Buffer.from(field)])),
  ]),
  int(2, -1),
]);

describe('rows of a binary COPY', () => {
  test.each(Array.from({ length: sent.length }, (_, index) => index + 1))('in chunks of %i bytes', (length) => {
    const seen: (string | null)[][] = [];
    const reader = new BinaryRows((row) => seen.push(row.map((field) => field?.toString() ?? null)));
    for (let from = 0; from < sent.length; from += length) {
      expect(reader.ended).toBe(false);
      // The same buffer again and again, as a connection may use it.
      reader.take(Buffer.from(sent.subarray(from, from + length)));
    }
    expect({ seen, ended: reader.ended }).toEqual({ seen: rows, ended: true });
  });

  test('end without their trailer are not whole', () => {
    const reader = new BinaryRows(() => undefined);
    reader.take(sent.subarray(0, -1));
    expect(reader.ended).toBe(false);
  });
});
