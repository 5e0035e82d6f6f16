import { expect, test } from '@jest/globals';
import { createdHeader, stamp } from './append-times.ts';

const batch = (attributes: number) => ({
  ...{ firstOffset: 3n, length: 0, partitionLeaderEpoch: 0, magic: 2, crc: 0, attributes, lastOffsetDelta: 1 },
  ...{ firstTimestamp: 1_000n, maxTimestamp: 9_000n, producerId: -1n, producerEpoch: -1, firstSequence: -1 },
  records: [0n, 5n].map((timestampDelta, offsetDelta) => ({
    ...{ length: 0, attributes: 0, timestampDelta, offsetDelta, key: null, value: null },
    headers: [] as [Buffer | null, Buffer | null][],
  })),
});
const times = ({ firstTimestamp, records }: ReturnType<typeof batch>) =>
  records.map(({ timestampDelta, headers }) => [
    Number(firstTimestamp + timestampDelta),
    ...headers.map(([name, value]) => `${String(name)} ${String(value)}`),
  ]);

test('F12 a record of a log that the broker stamps has the broker’s time, whatever its producer’s clock said', () => {
  const stamped = batch(0x08);
  stamp(stamped);
  expect(times(stamped)).toEqual([
    [9_000, `${createdHeader} 1000`],
    [9_000, `${createdHeader} 1005`],
  ]);
  const own = batch(0);
  stamp(own);
  expect(times(own)).toEqual([[1_000], [1_005]]);
});
