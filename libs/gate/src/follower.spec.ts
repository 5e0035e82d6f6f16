import { topics, type ConsentChanged } from '@entente/contracts';
import { partitionOf, tpKey, type InRecord } from '@entente/kafka';
import { createLogger, ManualClock } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Follower } from './follower.ts';
import { followedTopics } from './seed.ts';
import type { GapReason } from './step/gap.ts';
import { read } from './step/lease.ts';
import {
  acme,
  catalogueDocument,
  change,
  crm,
  email,
  meta,
  ourStart,
  subject,
  watermark,
} from './testing/consent-fixtures.ts';
import { catalogueRecord, changeRecord, received, watermarkRecord } from './testing/log-fixtures.ts';
import { MemoryReplica } from './testing/memory-replica.ts';

const log = createLogger({ service: 'spec', level: 'silent' });
const always = () => true;

function follower(replica = new MemoryReplica(acme)) {
  const clock = new ManualClock();
  const seen = { denied: [] as ConsentChanged[], gaps: [] as GapReason[], holes: 0, lost: 0 };
  const made = new Follower({
    controller: acme,
    recipients: [crm, meta],
    start: ourStart,
    replica,
    clock,
    log,
    events: {
      denied: ({ change }) => seen.denied.push(change),
      gap: (reason) => seen.gaps.push(reason),
      catalogueHole: () => (seen.holes += 1),
      storeLost: () => (seen.lost += 1),
    },
  });
  const seed = () => {
    const positions = new Map<string, bigint>();
    for (const topic of followedTopics)
      for (let partition = 0; partition < 12; partition += 1) positions.set(tpKey({ topic, partition }), 0n);
    made.seeded({ positions, catalogue: catalogueDocument(), incarnation: 0 });
  };
  return { clock, seen, made, replica, seed };
}

const one = subject(1);
const tp = { topic: topics.revocations, partition: partitionOf(one) };
const asked = { subjectKey: one, purpose: email, recipient: crm };
const offsets = (records: Parameters<typeof received>[0][]): InRecord[] =>
  records.map((record, index) => received(record, BigInt(index)));

describe('follower', () => {
  test('NO-LEAK: a lease begins only when all that stands before its watermark is in the replica', async () => {
    const { made, clock, seen, seed } = follower();
    seed();
    const number = made.beats.send(read(clock));
    clock.advance(100);
    await made.take(
      tp,
      offsets([
        changeRecord(topics.revocations, change(one, 2, 'granted', { direction: 'deny' })),
        watermarkRecord(tp.partition, watermark(1, { beats: [[ourStart, number]] })),
      ]),
      always,
    );
    expect(made.decide(asked)).toMatchObject({ kind: 'allow', deadline: clock.monotonic() + 1850 });
    expect(seen.denied).toHaveLength(1);
    clock.advance(1850);
    expect(made.decide(asked)).toEqual({ kind: 'stale', reason: 'no-lease' });
  });

  test('FAIL-CLOSED: a failed local transaction closes the gate and grants nothing of its batch', async () => {
    const { made, clock, seen, replica, seed } = follower();
    seed();
    const number = made.beats.send(read(clock));
    replica.broken = true;
    await made.take(
      tp,
      offsets([watermarkRecord(tp.partition, watermark(1, { beats: [[ourStart, number]] }))]),
      always,
    );
    expect(seen.lost).toBe(1);
    expect(made.decide(asked)).toEqual({ kind: 'stale', reason: 'store' });
  });

  test('FAIL-CLOSED: a store that cannot be read, and a follower closed while a seed runs, never open again', async () => {
    const { made, clock, seen, replica, seed } = follower();
    seed();
    const number = made.beats.send(read(clock));
    await made.take(
      tp,
      offsets([watermarkRecord(tp.partition, watermark(1, { beats: [[ourStart, number]] }))]),
      always,
    );
    expect(made.decide(asked).kind).toBe('deny');
    replica.get = () => {
      throw new Error('unreadable');
    };
    expect(made.decide(asked)).toEqual({ kind: 'stale', reason: 'store' });
    expect(seen.lost).toBe(1);
    expect(() => seed()).toThrow('closed');
    expect(made.following).toBe(false);
  });

  test('GATE-3: records behind a gap are not looked at', async () => {
    const { made, seen, seed, replica } = follower();
    seed();
    const [first, , third] = offsets([
      changeRecord(topics.revocations, change(one, 2, 'withdrawn')),
      changeRecord(topics.revocations, change(one, 3, 'granted')),
      changeRecord(topics.revocations, change(one, 4, 'granted')),
    ]);
    await made.take(
      tp,
      [first, third].filter((record) => record !== undefined),
      always,
    );
    expect(seen.gaps).toEqual(['offset-jump']);
    expect(replica.subjects.get(one)?.version).toBe(2);
    expect(made.positions.get(tpKey(tp))).toBe(1n);
  });

  test('GATE-1: state and offsets are resumed together, a lease never', async () => {
    const { made, clock, seed, replica } = follower();
    seed();
    const number = made.beats.send(read(clock));
    const records = offsets([
      changeRecord(topics.changes, change(one, 2, 'granted')),
      watermarkRecord(tp.partition, watermark(1, { beats: [[ourStart, number]] })),
    ]);
    await made.take(tp, records, always);
    expect(made.decide(asked).kind).toBe('allow');
    const { made: again } = follower(replica);
    expect(again.following).toBe(true);
    expect(again.positions.get(tpKey(tp))).toBe(2n);
    expect(again.decide(asked)).toEqual({ kind: 'stale', reason: 'no-lease' });
  });

  test('REC-9: a hole in the catalogue’s numbers asks the service; an older answer changes nothing', async () => {
    const { made, seed, seen } = follower();
    seed();
    const item = {
      controller: acme,
      purposes: [],
      notices: [],
      recipients: [],
      committedAt: '2026-11-01T10:00:00.000Z',
    };
    const records = offsets([catalogueRecord({ ...item, number: 1 }), catalogueRecord({ ...item, number: 3 })]);
    await made.take({ topic: topics.catalogue, partition: 0 }, records, always);
    expect(seen.holes).toBe(1);
    made.replaceCatalogue(catalogueDocument(3));
    expect(made.catalogue?.number).toBe(3);
    made.replaceCatalogue(catalogueDocument(2));
    expect(made.catalogue?.number).toBe(3);
  });

  test('ORDER: any interleaving, duplication and delay of the two logs ends in the highest version', async () => {
    const decisions = fc.constantFrom('granted', 'withdrawn', 'denied', 'erased');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ who: fc.integer({ min: 1, max: 4 }), decision: decisions }), {
          minLength: 1,
          maxLength: 25,
        }),
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        async (history, choices) => {
          const versions = new Map<number, number>();
          const all = history.map(({ who, decision }) => {
            const version = (versions.get(who) ?? 0) + 1;
            versions.set(who, version);
            return change(subject(who), version, decision);
          });
          const choose = () => choices.next().value as number;
          // Each log keeps its order but may repeat a stretch (a relay's resend); denials stand in both.
          const resent = (records: ConsentChanged[]) =>
            records.flatMap((data, index) =>
              choose() === 0 ? [data, ...records.slice(Math.max(0, index - 2), index + 1)] : [data],
            );
          const lanes = [
            { topic: topics.revocations, queue: resent(all.filter(({ direction }) => direction === 'deny')) },
            { topic: topics.changes, queue: resent(all) },
          ];
          const { made, seed, seen, replica } = follower();
          seed();
          while (lanes.some(({ queue }) => queue.length > 0)) {
            const lane = lanes[choose() % 2];
            const data = lane?.queue.shift();
            if (lane === undefined || data === undefined) continue;
            const at = { topic: lane.topic, partition: partitionOf(data.subjectKey) };
            const next = made.positions.get(tpKey(at)) ?? 0n;
            await made.take(at, [received(changeRecord(lane.topic, data), next)], always);
          }
          expect(seen.gaps).toEqual([]);
          for (const data of all)
            if (data.version === Math.max(...all.filter((o) => o.subjectKey === data.subjectKey).map((o) => o.version)))
              expect(replica.get(data.subjectKey)).toEqual({ version: data.version, vector: data.vector });
        },
      ),
      { numRuns: 60 },
    );
  });
});
