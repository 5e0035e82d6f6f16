import { describe, expect, test } from '@jest/globals';
import { topics } from '@entente/contracts';
import fc from 'fast-check';
import { check } from './check.ts';
import type { HistoryEvent } from './history.ts';
import { lawfulRun, type RunShape } from './testing/lawful-run.ts';
import { exact } from './testing/small-history.ts';
import type { Rule } from './violation.ts';

const rulesOf = (events: readonly HistoryEvent[]): Rule[] => [
  ...new Set(check({ settings: exact, events }).map(({ rule }) => rule)),
];

/** Every choice of the run is drawn by fast-check, so that a failing run shrinks and replays. */
const shapes = fc
  .record({
    // One of two: a dump without its only row would be no dump.
    subjects: fc.integer({ min: 2, max: 6 }),
    rounds: fc.integer({ min: 1, max: 4 }),
    recipients: fc.subarray(['ads', 'crm', 'web'], { minLength: 1 }),
    partitions: fc.integer({ min: 1, max: 3 }),
    choices: fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 40 }),
  })
  .map(({ choices, ...shape }): RunShape => {
    let drawn = 0;
    return { ...shape, choose: (below) => (choices[drawn++ % choices.length] ?? 0) % below };
  });

/** One essential event, how it is falsified, and the rules of which at least one must see it. */
interface Falsification {
  readonly name: string;
  readonly essential: (event: HistoryEvent, all: readonly HistoryEvent[]) => boolean;
  readonly falsify: (event: HistoryEvent) => HistoryEvent[];
  readonly caughtBy: readonly Rule[];
}
const gone = (): HistoryEvent[] => [];
const twice = (event: HistoryEvent): HistoryEvent[] => [event, { ...event, at: event.at + 500 }];
const is = (kind: HistoryEvent['kind']) => (event: HistoryEvent) => event.kind === kind;
const denying = (event: HistoryEvent): boolean => event.kind === 'db.change' && event.direction === 'deny';
const changeOn = (topic: string) => (event: HistoryEvent) =>
  event.kind === 'topic.record' && event.type === 'change' && event.topic === topic;
/** Where a reader begins is its own affair: a gate seeds at the ends it noted. */
const followingPoll = (event: HistoryEvent): boolean => event.kind === 'consumer.poll' && event.first > 0;
const attempted = (effect: string) => (event: HistoryEvent) =>
  event.kind === 'partner.request' && event.effect === effect;

const deletions: Falsification[] = [
  { name: 'a commit', essential: is('db.change'), falsify: gone, caughtBy: ['DURABLE-ACK'] },
  { name: 'a record of the complete log', essential: changeOn(topics.changes), falsify: gone, caughtBy: ['NO-LOSS'] },
  {
    name: 'a record of the express lane',
    essential: changeOn(topics.revocations),
    falsify: gone,
    caughtBy: ['NO-LOSS'],
  },
  {
    name: 'the end of an attempt',
    essential: is('egress.end'),
    falsify: gone,
    caughtBy: ['INFLIGHT', 'ACK-TRUTH', 'FENCE'],
  },
  { name: 'a decision', essential: is('gate.decision'), falsify: gone, caughtBy: ['RE-CHECK'] },
  { name: 'a partner’s acceptance', essential: attempted('revoke'), falsify: gone, caughtBy: ['ACK-TRUTH'] },
  { name: 'a tracker row', essential: is('tracker.row'), falsify: gone, caughtBy: ['ACK-COMPLETE'] },
  { name: 'a row of the final state', essential: is('db.state'), falsify: gone, caughtBy: ['DURABLE-ACK'] },
  { name: 'a ledger entry', essential: is('db.ledger'), falsify: gone, caughtBy: ['DURABLE-ACK'] },
  { name: 'a poll', essential: followingPoll, falsify: gone, caughtBy: ['SKIPPED-POLL', 'UNSEEN-RECORD'] },
];
const duplications: Falsification[] = [
  { name: 'a commit', essential: is('db.change'), falsify: twice, caughtBy: ['ORDER'] },
  { name: 'an apply', essential: is('apply'), falsify: twice, caughtBy: ['ORDER'] },
  {
    name: 'a revocation that changed something',
    essential: attempted('revoke'),
    falsify: (event) => [
      event,
      { ...event, ...(event.kind === 'partner.request' && { at: event.at + 30, effectAt: event.at + 31 }) },
    ],
    caughtBy: ['EFFECT-ONCE'],
  },
  { name: 'a poll', essential: is('consumer.poll'), falsify: twice, caughtBy: ['NON-MONOTONIC-POLL'] },
];
const misplacements: Falsification[] = [
  {
    name: 'a withdrawal answered before its commit',
    essential: (event) => event.kind === 'api.ok' && event.answers !== undefined,
    falsify: (event) => [{ ...event, at: event.at - 400 }],
    caughtBy: ['DURABLE-ACK'],
  },
  {
    name: 'a record published before its commit',
    essential: changeOn(topics.changes),
    falsify: (event) => [{ ...event, at: event.at - 100 }],
    caughtBy: ['NO-PHANTOM'],
  },
  {
    name: 'a share sent before its grant',
    essential: (event) => event.kind === 'egress.start' && event.effect === 'share',
    falsify: (event) => [{ ...event, at: 100 }],
    caughtBy: ['NO-LEAK', 'LEASE-RESET'],
  },
  {
    name: 'a withdrawal that committed before its grant',
    essential: denying,
    falsify: (event) => [{ ...event, at: event.at - 6000 }],
    caughtBy: ['ORDER'],
  },
  {
    name: 'a decision after the send',
    essential: is('gate.decision'),
    falsify: (event) => [{ ...event, at: event.at + 50 }],
    caughtBy: ['RE-CHECK'],
  },
];

describe('a lawful run, whatever was chosen in it', () => {
  test('is clean, in whatever order its events were written down', () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (shape, order) => {
        const events = lawfulRun(shape);
        expect(rulesOf(events)).toEqual([]);
        const shuffled = events.map((event) => ({ event, place: order.next().value as number }));
        shuffled.sort((a, b) => a.place - b.place);
        expect(rulesOf(shuffled.map(({ event }) => event))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test.each<[string, Falsification]>([
    ...deletions.map((one): [string, Falsification] => [`without ${one.name}`, one]),
    ...duplications.map((one): [string, Falsification] => [`with twice ${one.name}`, one]),
    ...misplacements.map((one): [string, Falsification] => [`with ${one.name}`, one]),
  ])('%s is caught', (_name, { essential, falsify, caughtBy }) => {
    fc.assert(
      fc.property(shapes, fc.nat(), (shape, choice) => {
        const events = lawfulRun(shape);
        const candidates = events.filter((event) => essential(event, events));
        const chosen = candidates[choice % candidates.length] as HistoryEvent;
        const broken = rulesOf(events.flatMap((event) => (event === chosen ? falsify(event) : [event])));
        expect(broken.filter((rule) => caughtBy.includes(rule))).not.toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  test('told twice, or told again by another log, is still lawful', () => {
    const repeatable = (event: HistoryEvent): boolean =>
      event.kind === 'db.ledger' ||
      event.kind === 'db.state' ||
      event.kind === 'gate.decision' ||
      is('store.state')(event);
    fc.assert(
      fc.property(shapes, (shape) => {
        const events = lawfulRun(shape);
        expect(rulesOf([...events, ...events.filter(repeatable)])).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });
});
