import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lines } from './consent-api.ts';

async function* pieces(text: Buffer, cuts: readonly number[]): AsyncIterable<Uint8Array> {
  const sorted = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b);
  for (const [index, from] of sorted.entries()) {
    await Promise.resolve();
    yield text.subarray(from, sorted[index + 1] ?? text.length);
  }
}

describe('the snapshot’s lines', () => {
  test('come out whole however the stream is cut, in the middle of a letter too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string({ unit: 'binary' }).map((s) => s.replaceAll(/[\n\ud800-\udfff]/g, 'é')),
          { maxLength: 8 },
        ),
        fc.array(fc.nat(1000)),
        async (texts, cuts) => {
          const wanted = texts.filter((text) => text !== '');
          const got: string[] = [];
          for await (const line of lines(pieces(Buffer.from(wanted.map((text) => `${text}\n`).join('')), cuts)))
            got.push(line);
          expect(got).toEqual(wanted);
        },
      ),
    );
  });
});
