import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fileLines, textOf } from './file-lines.ts';
import type { FileLine } from './file-lines.ts';

async function* cut(bytes: Buffer, places: readonly number[]): AsyncGenerator<Buffer, void, void> {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  for (const [index, end] of ends.entries()) yield bytes.subarray(ends[index - 1] ?? 0, end);
}

async function linesOf(bytes: Buffer, places: readonly number[], longest = 1_000): Promise<FileLine[]> {
  const lines: FileLine[] = [];
  for await (const line of fileLines(cut(bytes, places), longest)) lines.push(line);
  return lines;
}

test('lines are the same wherever the upload is cut into pieces, each with the place where the next one begins', async () => {
  const texts = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r', ',', '"') }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(texts, fc.array(fc.nat(), { maxLength: 6 }), async (parts, places) => {
      const text = parts.join('');
      const expected = text.split('\n');
      if (expected.at(-1) === '') expected.pop();
      const bytes = Buffer.from(text);
      const lines = await linesOf(bytes, places);
      expect(lines.map((line) => line.bytes?.toString())).toEqual(expected);
      let from = 0;
      for (const { bytes: line, end, ended } of lines) {
        expect(bytes.subarray(from, ended ? end - 1 : end)).toEqual(line);
        from = end;
      }
      expect(from).toBe(bytes.length);
    }),
  );
});

test('a line that is too long costs itself, not the next one, and is not held', async () => {
  const lines = await linesOf(
    Buffer.from(`a\n${'x'.repeat(5_000)}\nb\n${'y'.repeat(2_000)}`),
    [50, 1_000, 3_000],
    1_000,
  );
  expect(lines.map(({ bytes, end, ended }) => [bytes?.toString() ?? null, end, ended])).toEqual([
    ['a', 2, true],
    [null, 5_003, true],
    ['b', 5_005, true],
    [null, 7_005, false],
  ]);
});

test('a CR before the line break does not count, and what is not UTF-8 is no text', () => {
  expect(textOf(Buffer.from('é\r'))).toBe('é');
  expect(textOf(Buffer.from('m\xfcller', 'latin1'))).toBeNull();
  expect(textOf(Buffer.from([0xed, 0xa0, 0x80]))).toBeNull();
});
