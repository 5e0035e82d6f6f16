import { gateStartId, type Watermark } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { acme, catalogueDocument, change, ourStart, subject, watermark } from '../testing/consent-fixtures.ts';
import { storedOffsetGap } from './gap.ts';
import {
  leaseState,
  reseeded,
  stepChanges,
  stepRevocations,
  unknownPartition,
  type PartitionState,
} from './gate-step.ts';
import type { LogRecord } from './log-record.ts';

const now = { wall: 1_800_000_000_000, monotonic: 1_000 };
const sentAt = (number: number) => ({ wall: now.wall - 1000 + number, monotonic: now.monotonic - 1000 + number });
const context = { start: ourStart, now, beatSentAt: (number: number) => (number <= 100 ? sentAt(number) : undefined) };
const told = (number: number, extra: Partial<Watermark> = {}): LogRecord => ({
  kind: 'watermark',
  watermark: watermark(number, extra),
});
const beat = (number: number) => ({ beats: [[ourStart, number]] as const });
const fresh: PartitionState = { ...unknownPartition, next: 50n };
const step = (state: PartitionState, record: LogRecord, offset = state.next ?? 0n) =>
  stepRevocations(state, offset, record, context);
const leased = step(fresh, told(10, { ...beat(5), logEpoch: 3, ledger: { number: 20, hash: 'a'.repeat(64) } })).state;
const after = { logEpoch: 3, ledger: { number: 21, hash: 'b'.repeat(64) } };

describe('GATE-2 a watermark', () => {
  test('that carries our newest beat is worth a lease from that beat’s sending', () => {
    expect(leaseState(leased, 1, now)).toEqual({ held: true, remainingMs: 1950 - 995 });
  });

  test.each([
    ['of an older number', told(9, { ...after, ...beat(6) })],
    ['of the same number', told(10, { ...after, ...beat(6) })],
  ])('%s is ignored', (_what, record) => {
    const { state, effects } = step(leased, record);
    expect(state).toEqual({ ...leased, next: 52n });
    expect(effects).toEqual([]);
  });

  test('of an older incarnation is ignored whatever its number, even where it would be a gap', () => {
    const newer = step(leased, told(1, { ...after, incarnation: 2, ...beat(6) })).state;
    expect(newer.beat).toBe(6);
    expect(step(newer, told(99, { incarnation: 1, logEpoch: 9, highestAcked: '999' }))).toEqual({
      state: { ...newer, next: 53n },
      effects: [],
    });
  });

  test('with an older beat of ours never shortens the lease, and one of another start earns none', () => {
    const older = step(leased, told(11, { ...after, ...beat(4) })).state;
    expect(older.beatSent).toEqual(leased.beatSent);
    const other = step(fresh, told(11, { beats: [[gateStartId('ffffffffffff'), 7]] })).state;
    expect(leaseState(other, 1, now)).toEqual({ held: false, why: 'no-lease' });
  });

  test('with a beat we never sent earns nothing', () => {
    expect(step(fresh, told(1, beat(101))).state.beatSent).toBeNull();
  });

  test('that names several beats of ours counts the newest of those we know', () => {
    const beats = [
      [ourStart, 5],
      [gateStartId('ffffffffffff'), 90],
      [ourStart, 8],
      [ourStart, 7],
      [ourStart, 101],
    ] as const;
    expect(step(fresh, told(1, { beats })).state).toMatchObject({ beat: 8, beatSent: sentAt(8) });
  });

  test('with the very head the last one had is taken: nothing was decided meanwhile', () => {
    const same = step(leased, told(11, { logEpoch: 3, ledger: { number: 20, hash: 'a'.repeat(64) }, ...beat(6) }));
    expect(same.state).toMatchObject({ beat: 6, newest: { incarnation: 0, number: 11 } });
    expect(same.effects).toEqual([{ do: 'passed', passTime: expect.any(Number) }]);
  });

  test('ahead of our catalogue: stale until caught up, then the same lease counts', () => {
    const ahead = step(leased, told(11, { ...after, ...beat(6), catalogue: 4 })).state;
    expect(leaseState(ahead, 3, now)).toEqual({ held: false, why: 'catalogue-behind' });
    expect(leaseState(ahead, 4, now)).toMatchObject({ held: true });
    const lower = step(ahead, told(12, { ...after, ...beat(7), catalogue: 2 })).state;
    expect(leaseState(lower, 3, now)).toMatchObject({ held: false });
  });

  test.each([
    ['lower', { number: 19, hash: 'a'.repeat(64) }],
    ['of the same number with another hash', { number: 20, hash: 'c'.repeat(64) }],
  ])('with a ledger head %s ends the lease and is not accepted', (_what, ledger) => {
    const { state, effects } = step(leased, told(11, { logEpoch: 3, ledger, ...beat(6) }));
    expect(leaseState(state, 1, now)).toEqual({ held: false, why: 'no-lease' });
    expect(effects).toEqual([{ do: 'refused-watermark', why: 'ledger-went-back' }]);
    expect(state.newest).toEqual(leased.newest);
    // The beat that earned the lease earns it no second time.
    expect(step(state, told(12, { ...after, ...beat(5) })).state.beatSent).toBeNull();
    // Once the ledger has caught up the partition opens again.
    expect(step(state, told(12, { ...after, ...beat(7) })).state.beat).toBe(7);
  });

  test('with a lower ledger head under a higher incarnation tells of a restore: seed again', () => {
    const restored = told(1, { incarnation: 1, logEpoch: 3, ledger: { number: 5, hash: 'd'.repeat(64) }, ...beat(6) });
    const { state, effects } = step(leased, restored);
    expect(effects).toEqual([{ do: 'gap', reason: 'restored-ledger' }]);
    expect(step(reseeded(state, 60n, 1), restored).state.beat).toBe(6);
  });
});

describe('GATE-3 a gap', () => {
  test.each([
    ['an offset above the last + 1', 53n, told(11, { ...after, ...beat(6) }), 'offset-jump'],
    ['an offset below the last + 1', 50n, told(11, { ...after, ...beat(6) }), 'offset-jump'],
    [
      'an acknowledged offset equal to the watermark’s own',
      51n,
      told(11, { ...after, highestAcked: '51' }),
      'acknowledged-beyond',
    ],
    ['an acknowledged offset above it', 51n, told(11, { ...after, highestAcked: '900' }), 'acknowledged-beyond'],
    ['another log epoch', 51n, told(11, { ...after, logEpoch: 4 }), 'log-epoch'],
  ])('%s ends the lease', (_what, offset, record, reason) => {
    const { state, effects } = stepRevocations(leased, offset, record, context);
    expect(effects).toEqual([{ do: 'gap', reason }]);
    expect(leaseState(state, 1, now)).toMatchObject({ held: false });
  });

  test.each([
    [10n, { low: 10n, high: 20n }, null],
    [20n, { low: 10n, high: 20n }, null],
    [9n, { low: 10n, high: 20n }, 'offset-outside-log'],
    [21n, { low: 10n, high: 20n }, 'offset-outside-log'],
    [0n, undefined, 'offset-outside-log'],
  ] as const)('a stored offset %s in %j is %s', (next, range, gap) => expect(storedOffsetGap(next, range)).toBe(gap));

  test('where a place is not known yet, no record stands at the wrong one', () => {
    const { state, effects } = step(unknownPartition, told(1, beat(6)), 900n);
    expect([state.next, effects]).toEqual([901n, [expect.objectContaining({ do: 'passed' })]]);
  });

  test('jumps in watermark numbers are normal', () => {
    expect(step(leased, told(5000, { ...after, ...beat(6) })).state.beat).toBe(6);
  });

  test('a new seed forgets the log but not the fence against old watermarks', () => {
    const anew = reseeded(leased, 7n, 0);
    expect(anew).toMatchObject({ next: 7n, logEpoch: null, beatSent: null, closed: false, newest: leased.newest });
    expect(step(anew, told(10, beat(9))).state.beatSent).toBeNull();
    expect(reseeded(leased, 7n, 3).newest).toEqual({ incarnation: 3, number: -1 });
  });

  test('a new seed keeps the ledger head of its own incarnation, and knows none of a new one', () => {
    expect([0, 1].map((incarnation) => reseeded(leased, 7n, incarnation).ledger)).toEqual([leased.ledger, null]);
    expect(reseeded(unknownPartition, 7n, 2)).toMatchObject({ newest: { incarnation: 2, number: -1 }, ledger: null });
  });
});

describe('what a record does', () => {
  const changed = change(subject(1), 1, 'withdrawn');
  const catalogue: LogRecord = {
    kind: 'catalogue',
    change: { ...catalogueDocument(2), controller: acme, committedAt: '' },
  };
  const apply = { do: 'apply', change: changed };
  const quarantine = (why: unknown) => ({ do: 'quarantine', why });

  test.each<[what: string, record: LogRecord, effects: object[], closed: boolean]>([
    ['a change is applied', { kind: 'change', change: changed }, [apply], false],
    ['another controller’s counts by its place alone', { kind: 'foreign' }, [], false],
    ['an unreadable watermark', { kind: 'unreadable-watermark', why: 'w' }, [quarantine('w')], false],
    ['a record without a person', { kind: 'undecodable', subjectKey: null, why: 'x' }, [quarantine('x')], true],
    ['a catalogue', catalogue, [quarantine(expect.stringContaining('catalogue'))], true],
  ])('in the express lane: %s', (_what, record, effects, closed) => {
    expect(step(leased, record)).toEqual({ state: { ...leased, next: 52n, closed }, effects });
  });

  test.each<[what: string, record: LogRecord, effects: object[], closed: boolean]>([
    ['a change is applied', { kind: 'change', change: changed }, [apply], false],
    ['another controller’s says nothing', { kind: 'foreign' }, [], false],
    ['an unreadable watermark', { kind: 'unreadable-watermark', why: 'w' }, [quarantine('w')], false],
    ['a watermark', told(11, beat(6)), [quarantine('not a change')], true],
    ['a catalogue', catalogue, [quarantine('not a change')], true],
  ])('in the complete log: %s', (_what, record, effects, closed) => {
    expect(stepChanges(leased, record)).toEqual({ state: { ...leased, closed }, effects });
  });
});

describe('an undecodable record (design.md §4)', () => {
  const subjectKey = subject(1);
  test('closes its key', () => {
    const { state, effects } = step(leased, { kind: 'undecodable', subjectKey, why: 'x' });
    expect(leaseState(state, 1, now)).toMatchObject({ held: true });
    expect(effects).toEqual([
      { do: 'quarantine', why: 'x' },
      { do: 'close-key', subjectKey, why: 'x' },
    ]);
  });
  test('closes its partition until the next seed when the key is unreadable, whatever watermarks follow', () => {
    const { state } = stepChanges(leased, { kind: 'undecodable', subjectKey: null, why: 'x' });
    const next = step(state, told(11, { ...after, ...beat(6) })).state;
    expect(leaseState(next, 1, now)).toEqual({ held: false, why: 'gap' });
    expect(reseeded(next, 0n, 0).closed).toBe(false);
  });
  test('a watermark that cannot be read earns nothing and closes nothing', () => {
    const { state } = step(leased, { kind: 'unreadable-watermark', why: 'x' });
    expect(state).toEqual({ ...leased, next: 52n });
  });
});

describe('FAIL-CLOSED', () => {
  const anyRecord = fc.oneof(
    fc.record({
      number: fc.integer({ min: 0, max: 30 }),
      incarnation: fc.integer({ min: 0, max: 1 }),
      beatNumber: fc.integer({ min: 1, max: 120 }),
      logEpoch: fc.constantFrom(1, 1, 1, 2),
      ledger: fc.integer({ min: 8, max: 12 }),
      catalogue: fc.integer({ min: 1, max: 3 }),
    }),
    fc.constant(null),
  );

  test('LEASE-RESET: only an accepted, newer watermark with a beat of ours ever lengthens a lease, and never beyond its worth', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 40 }), (records) => {
        let state: PartitionState = fresh;
        for (const spec of records) {
          const before = state;
          const record: LogRecord =
            spec === null
              ? { kind: 'change', change: change(subject(1), 1, 'withdrawn') }
              : told(spec.number, {
                  incarnation: spec.incarnation,
                  logEpoch: spec.logEpoch,
                  catalogue: spec.catalogue,
                  ledger: { number: spec.ledger, hash: '0'.repeat(64) },
                  ...beat(spec.beatNumber),
                });
          const { state: next, effects } = step(state, record);
          const remaining = (s: PartitionState) => {
            const lease = leaseState(s, 99, now);
            return lease.held ? lease.remainingMs : 0;
          };
          if (remaining(next) > remaining(before)) {
            expect(spec).not.toBeNull();
            expect(effects).toEqual([expect.objectContaining({ do: 'passed' })]);
            expect(remaining(next)).toBe(1950 - (now.monotonic - sentAt(spec?.beatNumber ?? 0).monotonic));
          }
          if (effects.some((effect) => effect.do === 'gap')) {
            expect(remaining(next)).toBe(0);
            return;
          }
          state = next;
        }
      }),
    );
  });
});
