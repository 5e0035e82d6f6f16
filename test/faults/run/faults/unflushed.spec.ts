import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Random } from '../../../sim/engine/random.ts';
import { batchesOf, loseUnflushed, tornAt } from './unflushed.ts';

/** The head of a batch as Kafka writes it, with nothing in it that is not looked at. */
function batch(first: bigint, records: number, bytes = 80): Buffer {
  const whole = Buffer.alloc(bytes);
  whole.writeBigInt64BE(first, 0);
  whole.writeInt32BE(bytes - 12, 8);
  whole.writeInt32BE(records - 1, 23);
  return whole;
}
const segment = Buffer.concat([batch(10n, 2), batch(12n, 5, 120), batch(17n, 1)]);

test('the batches of a segment, and what is torn already is none', () => {
  const torn = Buffer.concat([segment, batch(18n, 3).subarray(0, 50)]);
  expect(batchesOf(torn).map(({ at, end }) => [at, end])).toEqual([
    [0, 12n],
    [80, 17n],
    [200, 18n],
  ]);
});

test('F3 nothing that the disk has is lost, and of the rest a tail, in the middle of a batch', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const at = tornAt(segment, 12n, new Random(seed)) ?? -1;
    expect(at).toBeGreaterThanOrEqual(80);
    expect(at).toBeLessThan(segment.length);
  }
  expect(tornAt(segment, 18n, new Random(1))).toBeNull();
});

test('F3 KRaft’s own log stays whole', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'entente-unflushed-'));
  try {
    for (const log of ['__cluster_metadata-0', 'a-0', 'b-1', 'c-2']) {
      await mkdir(join(directory, log));
      await writeFile(join(directory, log, '00000000000000000010.log'), segment);
    }
    await writeFile(join(directory, 'recovery-point-offset-checkpoint'), '0\n1\nb 1 18\n');
    const sizes = async (): Promise<number[]> =>
      Promise.all(
        ['__cluster_metadata-0', 'b-1', 'a-0', 'c-2'].map(
          async (log) => (await readFile(join(directory, log, '00000000000000000010.log'))).length,
        ),
      );
    const struck = await loseUnflushed(directory, new Random(3));
    const [metadata, flushed, ...others] = await sizes();
    expect([metadata, flushed]).toEqual([segment.length, segment.length]);
    expect(struck).toBeGreaterThan(0);
    expect(others.filter((size) => size < segment.length)).toHaveLength(struck);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
