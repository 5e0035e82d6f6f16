import { expect, test } from '@jest/globals';
import type { TP } from '../port.ts';
import { batchClass, type ConsumerGroup } from './internals.ts';
import { ConsumerSession, type SessionEvents } from './session.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const tp: TP = { topic: 't', partition: 3 };
const settings = {
  ...{ groupId: 'g', topics: ['t'], fromBeginning: true, sessionTimeoutMs: 10_000, heartbeatIntervalMs: 1_500 },
  ...{ maxWaitMs: 500, gatherMs: 0, maxBytesPerPartition: 1_000 },
};

/** A member that was never connected: what its hooks say, while a test plays the client. */
function member(events: Partial<SessionEvents> = {}) {
  const read: bigint[] = [];
  const session = new ConsumerSession({ clientId: 'c', brokers: ['127.0.0.1:1'], log }, settings, null, {
    beforeJoin: () => Promise.resolve(),
    afterJoin: () => Promise.resolve(),
    follows: (_tp, from) => from === 5n,
    onBatch: (_tp, { end }) => Promise.resolve(read.push(end) > 0),
    outOfRange: () => Promise.resolve(),
    ...events,
  });
  const sought = new Map<string, string>();
  const group = {
    ...{ memberId: 'm', seekOffset: { has: () => false, clear: () => sought.clear() } },
    assigned: () => [{ topic: 't', partitions: [3] }],
    ...{ offsetManager: { nextOffset: () => '5' } },
  } as unknown as ConsumerGroup;
  return { session, group, sought, read };
}

const batch = (from: string, ...offsets: string[]) => {
  const messages = offsets.map((offset) => ({ offset, key: null, value: null, timestamp: '0', headers: {} }));
  const data = { partition: 3, highWatermark: '9', abortedTransactions: [], messages };
  return new batchClass('t', from, data);
};

test('a fetch is taken of the present join, from the place the reader has come to', async () => {
  const { session, group } = member();
  await session.beforeJoin(group);
  expect(session.join).toBeNull();
  await session.afterJoin(group);
  expect(session.join).toBe(1);
  expect(session.takes(batch('5', '5'), 1)).toBe(true);
  expect(session.takes(batch('6', '6'), 1)).toBe(false);
  await session.beforeJoin(group);
  expect(session.takes(batch('5', '5'), 1)).toBe(false);
  await session.afterJoin(group);
  expect(session.takes(batch('5', '5'), 1)).toBe(false);
  expect(session.takes(batch('5', '5'), 2)).toBe(true);
  session.abandon();
  expect(session.takes(batch('5', '5'), 2)).toBe(false);
});

test('records that are for no reader move the place all the same', async () => {
  const { session, group, read } = member();
  await session.beforeJoin(group);
  await session.afterJoin(group);
  // A compressed batch that begins, and ends, before what was asked for.
  expect(session.takes(batch('5', '3', '4'), 1)).toBe(true);
  expect(read).toEqual([6n]);
  expect(session.takes(batch('5'), 1)).toBe(true);
  expect(read).toEqual([6n]);
  session.abandon();
});

test('what was sought before a join is not gone to after it', async () => {
  const { session, group, sought } = member();
  sought.set('t:3', '7');
  await session.beforeJoin(group);
  expect(sought.size).toBe(0);
  session.abandon();
});

test('a place outside the log is told only of the join in which it was asked for', async () => {
  const told: bigint[] = [];
  const { session, group } = member({ outOfRange: (_tp, wanted) => Promise.resolve(void told.push(wanted)) });
  let asked = (): Promise<void> => Promise.resolve();
  const range = async (tps: readonly TP[]) => {
    await asked();
    return new Map(tps.map(() => ['t:3', { low: 20n, high: 30n }] as const));
  };
  Object.assign(session, { range });
  await session.beforeJoin(group);
  await session.outOfRange(group, tp);
  expect(told).toEqual([]);
  await session.afterJoin(group);
  await session.outOfRange(group, tp);
  expect(told).toEqual([5n]);
  asked = async () => {
    await session.beforeJoin(group);
    await session.afterJoin(group);
  };
  await session.outOfRange(group, tp);
  expect(told).toEqual([5n]);
  session.abandon();
});

test('a join that fails ends this life', async () => {
  const { session, group } = member();
  await session.beforeJoin(group);
  session.joinFailed(new Error('connection closed'));
  expect((await session.ended).message).toContain('connection closed');
});
