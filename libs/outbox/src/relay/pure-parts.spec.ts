import type { PublishResult } from '@entente/kafka';
import { describe, expect, test } from '@jest/globals';
import { TrailingFloor } from './floor.ts';
import { acknowledge, learn } from './log-position.ts';
import { Pace } from './pace.ts';
import { fitting, rowsPerShard, type StoredRow } from './rows.ts';
import { acknowledgement, settle } from './settle.ts';
import { backoffMs, relayTiming } from './timing.ts';

const row = (id: number, shard: number, o: Partial<StoredRow> = {}): StoredRow => ({
  ...{ id, shard, eventId: `e${id}`, topic: 't', key: `k${id}`, type: 'x', payload: '{}', traceparent: null },
  ...{ time: '2026-01-01T00:00:00Z', committedAtMs: 0, direction: null },
  ...o,
});
const ok = (partition: number, count: number, topic = 't'): PublishResult & { ok: true } => ({
  topic,
  partition,
  ok: true,
  baseOffset: 5n,
  count,
});
const no = (partition: number): PublishResult => ({ topic: 't', partition, ok: false, error: new Error('no') });
const ids = (rows: readonly StoredRow[]): number[] => rows.map(({ id }) => id);

describe('REL-3: only what every partition acknowledged is deleted', () => {
  const rows = [row(1, 0), row(2, 1), row(3, 0)];
  test.each([
    { results: [ok(0, 2), ok(1, 1)], confirmed: [1, 2, 3], failed: [] },
    { results: [ok(0, 2), no(1)], confirmed: [1, 3], failed: [1] },
    { results: [ok(0, 2)], confirmed: [1, 3], failed: [1] },
    { results: [ok(0, 1), ok(1, 1)], confirmed: [2], failed: [0] },
    { results: [], confirmed: [], failed: [0, 1] },
    { results: [ok(0, 2, 'other'), ok(1, 1)], confirmed: [2], failed: [0] },
  ])('$results', ({ results, confirmed, failed }) => {
    const settlement = settle(rows, results);
    expect(ids(settlement.confirmed)).toEqual(confirmed);
    expect([...settlement.failed]).toEqual(failed);
  });

  test('what was acknowledged is told with its offsets and the broker’s time, what was not with its error', () => {
    const error = new Error('no');
    const refused: PublishResult = { topic: 't', partition: 1, ok: false, error };
    const { acknowledged, errors } = settle(rows, [{ ...ok(0, 2), appendedAt: 77 }, refused]);
    expect(acknowledged).toEqual([{ topic: 't', partition: 0, first: 5n, last: 6n, appendedAt: 77 }]);
    expect(errors).toEqual([error]);
    expect(acknowledgement({ ...ok(3, 1), baseOffset: 9n })).toEqual({
      ...{ topic: 't', partition: 3, first: 9n, last: 9n },
    });
  });

  test('a shard whose second topic failed has failed, and keeps what was acknowledged', () => {
    const mixed = [row(1, 0), row(2, 0, { topic: 'u' })];
    const settlement = settle(mixed, [ok(0, 1), { topic: 'u', partition: 0, ok: false, error: new Error('no') }]);
    expect(ids(settlement.confirmed)).toEqual([1]);
    expect([...settlement.failed]).toEqual([0]);
  });
});

describe('REL-5: the log epoch', () => {
  test.each([
    { known: -1n, first: 0n, last: 4n, epoch: 0, lost: false },
    { known: 4n, first: 5n, last: 5n, epoch: 0, lost: false },
    { known: 4n, first: 4n, last: 6n, epoch: 1, lost: true },
    { known: 900n, first: 0n, last: 0n, epoch: 1, lost: true },
  ])('acknowledged $first..$last above $known', ({ known, first, last, epoch, lost }) => {
    const { position, logLost } = acknowledge({ epoch: 0, highestAcked: known }, first, last);
    expect({ position, logLost }).toEqual({ position: { epoch, highestAcked: last }, logLost: lost });
  });

  const sound = { epoch: 3, hasWatermark: true, untold: false, incarnation: 0 };
  test.each([
    { what: 'the log is further than is remembered', known: 3n, log: { ...sound, end: 9n }, learnt: 8n },
    {
      what: 'the log ends before what is remembered',
      known: 30n,
      log: { ...sound, end: 9n, incarnation: 2 },
      learnt: 30n,
    },
    {
      what: 'a log of watermarks outlived a restore',
      known: -1n,
      log: { ...sound, end: 9n, incarnation: 2 },
      learnt: 8n,
    },
    { what: 'a first start', known: -1n, log: { ...sound, end: 0n, hasWatermark: false }, learnt: -1n },
  ])('learns where $what', ({ known, learnt, log }) => {
    const learned = learn({ epoch: 2, highestAcked: known }, log);
    expect(learned).toEqual({ position: { epoch: 3, highestAcked: learnt }, logLost: false });
    expect(learn({ epoch: 4, highestAcked: known }, log).position.epoch).toBe(4);
  });

  test.each([
    { what: 'after a restore no log', known: -1n, log: { end: 0n, hasWatermark: false, incarnation: 2 }, epoch: 2_000 },
    {
      what: 'after a restore a log just begun',
      known: 30n,
      log: { end: 4n, hasWatermark: false, incarnation: 2 },
      epoch: 2_000,
    },
    {
      what: 'no watermark where something was acknowledged',
      known: 3n,
      log: { end: 41n, hasWatermark: false },
      epoch: 4,
    },
    { what: 'a watermark of the log before alone', known: -1n, log: { end: 1n, untold: true }, epoch: 4 },
  ])('takes a log for made anew: $what', ({ known, log, epoch }) => {
    expect(learn({ epoch: 2, highestAcked: known }, { ...sound, ...log })).toEqual({
      ...{ position: { epoch, highestAcked: log.end - 1n }, logLost: true },
    });
  });
});

describe('one send', () => {
  test('takes a prefix of each shard, and says where more is waiting', () => {
    const big = 'x'.repeat(60);
    const rows = [row(1, 0, { payload: big }), row(2, 0, { payload: big }), row(3, 1), row(4, 0), row(5, 2), row(6, 2)];
    const { rows: sent, unfinished } = fitting(rows, 2, 100);
    expect(ids(sent)).toEqual([1, 3, 5, 6]);
    expect([...unfinished]).toEqual([0, 2]);
  });

  test('a first row goes alone, however large', () => {
    const { rows: sent, unfinished } = fitting([row(1, 0, { payload: 'x'.repeat(500) }), row(2, 0)], 9, 100);
    expect(ids(sent)).toEqual([1]);
    expect([...unfinished]).toEqual([0]);
  });

  test.each([
    [500, 12, 42],
    [500, 1, 500],
    [500, 0, 500],
  ])('a page of %i over %i shards asks %i of each', (page, shards, each) =>
    expect(rowsPerShard(page, shards)).toBe(each),
  );
});

describe('the normal lane’s floor (kafka-on-node.md §4.4)', () => {
  test('trails what was read, and starts again for a forgotten shard', () => {
    const floor = new TrailingFloor(60_000, 5_000);
    expect(floor.of(3, 0)).toBe(0);
    floor.published(3, 100, 0);
    floor.published(3, 150, 500);
    floor.published(3, 200, 2_000);
    expect(floor.of(3, 59_999)).toBe(0);
    expect(floor.of(3, 60_000)).toBe(100);
    expect(floor.of(3, 62_000)).toBe(200);
    expect(floor.of(4, 62_000)).toBe(0);
    floor.forget(3);
    expect(floor.of(3, 63_000)).toBe(0);
  });

  test('is ignored every few seconds', () => {
    const floor = new TrailingFloor(60_000, 5_000);
    expect([0, 4_999, 5_000, 9_000, 10_001].map((now) => floor.fullScanDue(now))).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
  });
});

describe('pace', () => {
  test('the normal lane rests longer beside urgent work, and never long', () => {
    const pace = new Pace(relayTiming);
    expect(pace.restAfterBacklogPage(10, 5_000)).toBe(20);
    pace.urgentAt = 4_500;
    expect(pace.restAfterBacklogPage(10, 5_000)).toBe(120);
    expect(pace.restAfterBacklogPage(10_000, 5_000)).toBe(500);
  });

  test.each([
    [60, 120, 50],
    [120, 60, 50],
    [240, 30, 50],
    [360, 20, 250],
    [3_600, 20, 250],
  ])('a backlog that has stood beside withdrawals for %i s: rest of %i ms, pages of %i', (seconds, restMs, rows) => {
    const pace = new Pace(relayTiming);
    for (let now = 0; now <= seconds * 1_000; now += 1_000) {
      pace.urgentAt = now;
      pace.restAfterBacklogPage(1, now);
    }
    const now = seconds * 1_000;
    expect([pace.restAfterBacklogPage(10, now), pace.pageRows(now)]).toEqual([restMs, rows]);
  });

  test('another backlog, after one that had ended, is rested from anew', () => {
    const pace = new Pace(relayTiming);
    for (let now = 0; now <= 400_000; now += 1_000) pace.restAfterBacklogPage(1, now);
    pace.urgentAt = 406_000;
    expect([pace.pageRows(406_000), pace.restAfterBacklogPage(10, 406_000)]).toEqual([50, 120]);
  });

  test.each([
    [0, 100],
    [2, 400],
    [50, 1_000],
  ])('attempt %i waits %i ms', (attempt, ms) => expect(backoffMs(attempt, relayTiming)).toBe(ms));
});
