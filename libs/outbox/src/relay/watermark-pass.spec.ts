import { topics } from '@entente/contracts';
import type { Kafka } from '@entente/kafka';
import { createLogger, createMetrics, ManualClock, noTracing } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ModelledWorld, watermarkIn, type Fate, type Happening } from '../testing/modelled-log.ts';
import { BeatBook } from './beat-book.ts';
import { OutboxMetrics } from './outbox-metrics.ts';
import { OwnedShards, type OwnedShard } from './owned-shards.ts';
import { Pace } from './pace.ts';
import type { LedgerPort } from './ports.ts';
import type { SessionParts } from './session-parts.ts';
import { relayTiming } from './timing.ts';
import { UrgentLane } from './urgent-lane.ts';
import { WatermarkPass } from './watermark-pass.ts';

const log = createLogger({ service: 'model', level: 'silent' });
const clock = new ManualClock();
const unused = () => Promise.reject(new Error('a pass does not ask this'));
const ledger: LedgerPort = {
  facts: () => Promise.resolve({ catalogue: 1, ledger: { number: 0, hash: '0'.repeat(64) }, incarnation: 0 }),
  holdsHead: unused,
  holdsChanges: unused,
  republish: unused,
};

interface Built {
  readonly shards: readonly OwnedShard[];
  readonly pass: (shards: readonly OwnedShard[]) => Promise<ReadonlySet<number>>;
  /** A pass woken by a hint: publishes and deletes, nothing else (REL-4). */
  readonly woken: (shards: readonly OwnedShard[]) => Promise<ReadonlySet<number>>;
}

function build(world: ModelledWorld, beats: BeatBook): Built {
  const owned = new OwnedShards();
  for (const shard of [0, 1, 2])
    owned.add({ shard, log: { epoch: 0, highestAcked: -1n }, lastLedgerNumber: 0, republishSince: null }, 'sound');
  const parts: SessionParts = {
    ...{
      service: 'consent',
      clock,
      log,
      timing: relayTiming,
      shards: owned,
      store: world.store(),
      pace: new Pace(relayTiming),
    },
    kafka: {} as Kafka,
    publishers: { urgent: world.publisher, normal: world.publisher },
    newPublisher: () => world.publisher,
    tracing: noTracing,
    metrics: new OutboxMetrics(createMetrics()),
    signal: new AbortController().signal,
    onFault: (error) => {
      throw error;
    },
    onPass: () => undefined,
  };
  const lane = new UrgentLane(parts, undefined);
  const pass = new WatermarkPass({
    ...{ ...parts, ledger, beats },
    drain: (...asked) => lane.drain(...asked),
    noteAcknowledged: (acknowledged) => lane.publisher.noteAcknowledged(acknowledged),
  });
  return {
    shards: owned.all(),
    pass: (shards) => pass.run(shards, world.publisher),
    woken: async (shards) => (await lane.drain(shards, world.publisher, null, () => true)).failed,
  };
}

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), subject: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const), nth: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('beat' as const), start: fc.nat(3) }) },
);
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('acknowledged' as const) },
  { weight: 1, arbitrary: fc.constant('refused' as const) },
  { weight: 1, arbitrary: fc.constant('unheard' as const) },
);

/** Runs passes, woken ones among them, until nothing happens any more, and says when each watermark's pass began. */
async function history(happenings: readonly Happening[], fates: readonly Fate[]) {
  const beats = new BeatBook();
  const heard = new Map<string, number>();
  const world = new ModelledWorld(happenings, fates, (beat) => {
    heard.set(`${beat.start}/${beat.number}`, world.time);
    beats.heard(beat, clock.monotonic());
  });
  const built = build(world, beats);
  const begun = new Map<string, { at: number; gates: ReadonlySet<string> }>();
  for (let n = 0; n < 200 && !world.over; n += 1) {
    const at = world.time;
    const before = new Map([...world.log].map(([partition, records]) => [partition, records.length]));
    await (n % 3 === 2 ? built.woken(built.shards) : built.pass(built.shards));
    for (const [partition, records] of world.log)
      for (let place = before.get(partition) ?? 0; place < records.length; place += 1)
        begun.set(`${partition}:${place}`, { at, gates: new Set(world.gates) });
  }
  return { world, begun, heard };
}

describe('REL-4, whatever happens between any two steps', () => {
  test('a watermark never stands before an urgent row that was committed before its pass', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(happening, { maxLength: 160, size: 'max' }),
        fc.array(fate, { maxLength: 60, size: 'max' }),
        async (happenings, fates) => {
          const { world, begun, heard } = await history(happenings, fates);
          for (const [partition, records] of world.log)
            for (const [place, record] of records.entries()) {
              const mark = watermarkIn(record);
              if (mark === null) continue;
              const { at = 0, gates } = begun.get(`${partition}:${place}`) ?? {};
              const standing = new Set(records.slice(0, place).map(({ headers }) => headers?.['ce_id']));
              const answered = world.rows.filter(
                (row) => row.shard === partition && row.committedAt !== null && row.committedAt <= at,
              );
              expect(answered.filter((row) => !standing.has(row.eventId))).toEqual([]);
              expect(Number(mark.highestAcked)).toBeLessThan(place);
              for (const [start, number] of mark.beats) {
                expect(heard.get(`${start}/${number}`)).toBeLessThanOrEqual(at);
                expect(gates?.has(start)).toBe(true);
              }
            }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('only acknowledged rows are deleted, and a subject’s versions are first seen in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(happening, { maxLength: 160, size: 'max' }),
        fc.array(fate, { maxLength: 60, size: 'max' }),
        async (happenings, fates) => {
          const { world } = await history(happenings, fates);
          expect(world.deleted.filter((id) => !world.acknowledged.has(`e${id}`))).toEqual([]);
          for (const records of world.log.values()) {
            const newest = new Map<string, number>();
            const seen = new Set<string>();
            for (const { key, value, headers } of records.filter((record) => watermarkIn(record) === null)) {
              const subject = String(key);
              const { version } = JSON.parse(String(value)) as { version: number };
              const id = String(headers?.['ce_id']);
              if (!seen.has(id)) expect(version).toBeGreaterThan(newest.get(subject) ?? 0);
              seen.add(id);
              newest.set(subject, Math.max(version, newest.get(subject) ?? 0));
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a partition that refused gets no watermark in that pass', async () => {
    const world = new ModelledWorld(
      [
        { kind: 'insert', subject: 0 },
        { kind: 'commit', nth: 0 },
      ],
      ['refused'],
      () => undefined,
    );
    const { pass, shards } = build(world, new BeatBook());
    expect([...(await pass(shards))]).toEqual([0]);
    expect([...world.log.entries()].map(([partition, records]) => [partition, records.length])).toEqual([
      [0, 0],
      [1, 1],
      [2, 1],
    ]);
    expect([...(await pass(shards))]).toEqual([]);
    expect(world.log.get(0)?.map(({ topic, key }) => [topic, String(key)])).toEqual([
      [topics.revocations, 's0'],
      [topics.revocations, '~watermark'],
    ]);
  });
});
