import { expect, test } from '@jest/globals';
import type { Fetched } from './feed.ts';
import type { ConsumerSession, SessionEvents } from './kafkajs/session.ts';
import type { InRecord, TP } from './port.ts';
import { RebuildingSource } from './source.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const tp: TP = { topic: 't', partition: 3 };
const settings = { maxBufferedRecords: 100, maxBufferedBytes: 1e6, rebalanceDrainMs: 10 };

function fetched(from: number, count: number): Fetched {
  const records = Array.from({ length: count }, (_, index): InRecord => {
    return { ...tp, offset: BigInt(from + index), timestamp: 0, key: null, value: Buffer.from('v'), headers: {} };
  });
  const end = BigInt(from + count);
  return { from: BigInt(from), end, records, highWatermark: end };
}

/** A client whose fetches the test hands over itself. */
class HandSession {
  readonly #end = Promise.withResolvers<Error>();
  readonly ended = this.#end.promise;
  readonly memberId = null;
  readonly sought: bigint[] = [];
  constructor(readonly events: SessionEvents) {}
  start = (): Promise<void> => this.events.afterJoin([tp]);
  seek = (_tp: TP, offset: bigint): void => void this.sought.push(offset);
  range = () => Promise.resolve(new Map([['t:3', { low: 0n, high: 1_000n }]]));
  fetches = true;
  pause = (): void => void (this.fetches = false);
  resume = (): void => void (this.fetches = true);
  fail = (): void => undefined;
  abandon = (): void => undefined;
  keepAlive = (): Promise<void> => Promise.resolve();
  leave = (): Promise<void> => Promise.resolve(this.#end.resolve(new Error('left')));
}

/** Its owner keeps the position, and stands at 5; or the group does. */
async function reading(keeps: 'owner' | 'group' = 'owner') {
  const handed: bigint[] = [];
  const sessions: HandSession[] = [];
  const source = new RebuildingSource(
    (_start, _memberId, events) => {
      const session = new HandSession(events);
      sessions.push(session);
      return session as unknown as ConsumerSession;
    },
    log,
    settings,
  );
  await source.start({
    groupId: 'g',
    topics: ['t'],
    ...(keeps === 'group' ? {} : { positions: () => Promise.resolve(new Map([['t:3', (handed.at(-1) ?? 4n) + 1n]])) }),
    onRecords: (_tp, records) => Promise.resolve(void handed.push(...records.map(({ offset }) => offset))),
  });
  const [session] = sessions as [HandSession];
  return { source, session, handed };
}

test('records that the client went past are asked for again, and nothing behind them is handed out before', async () => {
  const { source, session, handed } = await reading();
  expect(session.sought).toEqual([5n]);
  expect(await session.events.onBatch(tp, fetched(5, 2))).toBe(true);
  // As when two of its fetching loops read one partition, or a place was given up without its records.
  expect(session.events.follows(tp, 9n)).toBe(false);
  expect(await session.events.onBatch(tp, fetched(9, 3))).toBe(false);
  expect(session.sought).toEqual([5n, 7n, 7n]);
  expect(await session.events.onBatch(tp, fetched(7, 4))).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  expect(handed).toEqual([5n, 6n, 7n, 8n, 9n, 10n]);
  await source.stop(100);
});

test('what was asked for before a join is not taken after it', async () => {
  const { source, session, handed } = await reading();
  await session.events.beforeJoin();
  // Nothing stands to take it: the client must not go on from its end either.
  expect(await session.events.onBatch(tp, fetched(5, 2))).toBe(false);
  await session.events.afterJoin([tp]);
  expect(await session.events.onBatch(tp, fetched(7, 2))).toBe(false);
  expect(await session.events.onBatch(tp, fetched(5, 4))).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  expect(handed).toEqual([5n, 6n, 7n, 8n]);
  await source.stop(100);
});

test('past what retention took it goes on from what is left', async () => {
  const { source, session, handed } = await reading('group');
  expect(await session.events.onBatch(tp, fetched(0, 2))).toBe(true);
  await session.events.outOfRange(tp, 2n, { low: 20n, high: 30n });
  expect(session.sought).toEqual([20n]);
  expect(await session.events.onBatch(tp, fetched(20, 2))).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  expect(handed).toEqual([0n, 1n, 20n, 21n]);
  await source.stop(100);
});

test('while nobody takes records none are fetched', async () => {
  const { source, session } = await reading();
  expect(session.fetches).toBe(true);
  await session.events.beforeJoin();
  expect(session.fetches).toBe(false);
  await session.events.afterJoin([tp]);
  expect(session.fetches).toBe(true);
  const stopped = source.stop(100);
  expect(session.fetches).toBe(false);
  await stopped;
});

test('a stopped source takes nothing, and says so', async () => {
  const { source, session, handed } = await reading();
  const stopped = source.stop(200);
  expect(await session.events.onBatch(tp, fetched(5, 2))).toBe(false);
  await stopped;
  expect(handed).toEqual([]);
});
