import { expect, test } from '@jest/globals';
import { Feed, type Fetched } from './feed.ts';
import type { InRecord } from './port.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const tp = { topic: 't', partition: 3 };
const records = (...offsets: number[]): InRecord[] =>
  offsets.map((o) => ({ ...tp, offset: BigInt(o), timestamp: 0, key: null, value: Buffer.from('v'), headers: {} }));

/** As of a fetch that asked from the first of them. */
function fetched(...offsets: number[]): Fetched {
  const [from = 0] = offsets;
  const end = BigInt(offsets.at(-1) ?? from) + 1n;
  return { from: BigInt(from), end, records: records(...offsets), highWatermark: end };
}

function feedOf(
  deliver: (r: InRecord[]) => Promise<void>,
  before: Promise<void> = Promise.resolve(),
  onRoom = () => {},
) {
  return new Feed({ tp, epoch: 1, position: 0n, before, onRoom }, deliver, log, {
    maxBufferedRecords: 3,
    maxBufferedBytes: 1e6,
  });
}

test('records that gather while the handler works come as one batch, one call at a time', async () => {
  const calls: bigint[][] = [];
  let open: (() => void) | undefined;
  const feed = feedOf(async (r) => {
    calls.push(r.map((x) => x.offset));
    await new Promise<void>((resolve) => (open = resolve));
  });
  feed.push(fetched(0));
  await new Promise((r) => setImmediate(r));
  feed.push(fetched(1));
  feed.push(fetched(2, 5));
  expect(calls).toEqual([[0n]]);
  expect([feed.position, feed.handedOut, feed.buffered, feed.full]).toEqual([0n, 1n, 3, true]);
  open?.();
  await new Promise((r) => setImmediate(r));
  expect(calls).toEqual([[0n], [1n, 2n, 5n]]);
  open?.();
  await feed.idle();
  expect([feed.position, feed.full]).toEqual([6n, false]);
});

test('a failed call is repeated with the same records before any later ones', async () => {
  const calls: bigint[][] = [];
  let failures = 2;
  const feed = feedOf((r) => {
    calls.push(r.map((x) => x.offset));
    if (failures-- > 0) return Promise.reject(new Error('store away'));
    return Promise.resolve();
  });
  feed.push(fetched(0, 1));
  await new Promise((r) => setImmediate(r));
  expect(feed.failures).toBe(1);
  feed.push(fetched(2));
  await feed.idle();
  expect(calls).toEqual([[0n, 1n], [0n, 1n], [0n, 1n], [2n]]);
  expect([feed.position, feed.failures]).toEqual([3n, 0]);
});

test('paused hands nothing out, resume at once what has gathered', async () => {
  const calls: bigint[][] = [];
  const feed = feedOf((r) => {
    calls.push(r.map((x) => x.offset));
    return Promise.resolve();
  });
  feed.pause();
  feed.push(fetched(0));
  await new Promise((r) => setImmediate(r));
  expect(calls).toEqual([]);
  feed.resume();
  await feed.idle();
  expect(calls).toEqual([[0n]]);
});

test('stop waits for the running call, repeats nothing and forgets the rest', async () => {
  let reject: ((e: Error) => void) | undefined;
  let calls = 0;
  const feed = feedOf(() => {
    calls += 1;
    return new Promise((_, no) => (reject = no));
  });
  feed.push(fetched(0));
  await new Promise((r) => setImmediate(r));
  feed.push(fetched(1));
  const stopped = feed.stop();
  reject?.(new Error('no'));
  await stopped;
  expect([calls, feed.position, feed.buffered]).toEqual([1, 0n, 0]);
});

test('waits for the calls of the epoch before', async () => {
  let calls = 0;
  let endBefore = () => {};
  const before = new Promise<void>((resolve) => (endBefore = resolve));
  const feed = feedOf(() => Promise.resolve(void (calls += 1)), before);
  feed.push(fetched(0));
  await new Promise((r) => setImmediate(r));
  expect(calls).toBe(0);
  endBefore();
  await feed.idle();
  expect(calls).toBe(1);
});

test('what overlaps what was read is handed out once, and what reaches behind the last record moves the place all the same', async () => {
  const calls: bigint[][] = [];
  const feed = feedOf((r) => Promise.resolve(void calls.push(r.map((x) => x.offset))));
  feed.push(fetched(0, 1));
  await feed.idle();
  feed.push({ end: 7n, records: records(0, 1, 2, 3), highWatermark: 7n });
  await feed.idle();
  expect(calls).toEqual([
    [0n, 1n],
    [2n, 3n],
  ]);
  expect([feed.position, feed.readTo]).toEqual([4n, 7n]);
  await feed.stop();
  expect(feed.push(fetched(7))).toBe(false);
});
