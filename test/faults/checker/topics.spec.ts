import { describe, expect, test } from '@jest/globals';
import { topics } from '@entente/contracts';
import { check } from './check.ts';
import { excerpt } from './excerpt.ts';
import type { ConsumerPoll, HistoryEvent, TopicRecord } from './history.ts';
import { expectClean, expectOne } from './testing/expectations.ts';
import { changed, historyOf, retold, story, theOne, who } from './testing/small-history.ts';

const express = theOne('topic.record', ({ topic, version }) => topic === topics.revocations && version === 2);
const complete = theOne('topic.record', ({ topic, version }) => topic === topics.changes && version === 2);
const acked = theOne('produce.ack');
const polls = story.filter((event): event is ConsumerPoll => event.kind === 'consumer.poll');
const [firstPoll, secondPoll] = polls as [ConsumerPoll, ConsumerPoll];
const ends = theOne('topic.ends', ({ topic }) => topic === topics.revocations);
const store = theOne('store');

/** Records of a topic nobody in the story reads, offsets 0 up. */
const elsewhere = { topic: topics.enforcements, partition: 4 } as const;
const records = (count: number, from = 0): TopicRecord[] =>
  Array.from({ length: count }, (_, n) => ({
    kind: 'topic.record',
    at: 3000 + n,
    ...elsewhere,
    offset: from + n,
    key: 'k',
    type: 'other',
  }));
const poll = (when: number, first: number, last: number): ConsumerPoll => ({
  kind: 'consumer.poll',
  at: when,
  store: 'ops',
  ...elsewhere,
  first,
  last,
});
const assigned = (when: number): HistoryEvent => ({ kind: 'consumer.assigned', at: when, store: 'ops', ...elsewhere });

test('LOST-WRITE: acknowledged and not in the log', () => {
  const lost: HistoryEvent = { ...acked, offset: 2 };
  expectOne([...story, lost], 'LOST-WRITE', [lost]);
  const other: HistoryEvent = { ...acked, epoch: 1 };
  expectOne([...story, other], 'LOST-WRITE', [other]);
});

describe('INCONSISTENT-OFFSET', () => {
  test('another record than was acknowledged', () => {
    const other: HistoryEvent = { ...acked, key: 'k1.bob' };
    expectOne(changed([acked], [other]), 'INCONSISTENT-OFFSET', [express, other]);
  });
  test('two records at one offset', () => {
    const other: TopicRecord = { ...complete, at: 2015, type: 'other', key: 'k1.bob' };
    expectOne([...story, other], 'INCONSISTENT-OFFSET', [complete, other]);
    expectClean([...story, { ...complete, at: 2015 }]);
  });
});

describe('DUPLICATE', () => {
  test('two records of one change that differ', () => {
    const other: TopicRecord = { ...complete, at: 2020, offset: 2, digest: 'd3' };
    expectOne([...story, other], 'DUPLICATE', [express, other]);
  });
  test('two that agree are lawful', () => expectClean([...story, { ...complete, at: 2020, offset: 2 }]));
});

test('ABORTED-READ: a consumer worked on an aborted record', () => {
  const read: ConsumerPoll = { ...poll(4000, 0, 0), aborted: true };
  expectOne([...story, ...records(1), read], 'ABORTED-READ', [read]);
});

describe('polls', () => {
  const log = [...story, ...records(6)];

  test('that follow each other', () => expectClean([...log, poll(4000, 0, 2), poll(4010, 3, 5)]));
  test('NON-MONOTONIC-POLL: again, without an assignment', () => {
    const [one, other] = [poll(4000, 0, 3), poll(4010, 3, 5)];
    expectOne([...log, one, other], 'NON-MONOTONIC-POLL', [one, other]);
    expectClean([...log, one, assigned(4005), other]);
  });
  test('SKIPPED-POLL: over records that exist, without an assignment', () => {
    const [one, other] = [poll(4000, 0, 2), poll(4010, 4, 5)];
    expectOne([...log, one, other], 'SKIPPED-POLL', [one, other]);
    expectClean([...log, one, assigned(4005), other]);
  });
  test('UNSEEN-RECORD: never read to the end', () => {
    const one = poll(4000, 0, 2);
    const unread = theOne('topic.record', ({ topic, offset }) => topic === elsewhere.topic && offset === 3, log);
    expectOne([...log, one], 'UNSEEN-RECORD', [unread, one]);
    expectClean([...log, one, { kind: 'store', at: 5000, store: 'ops', what: 'retired' }]);
  });
  test('STUCK-CONSUMER: nothing read for 10 s although nothing was wrong', () => {
    const busy = log.filter(({ kind }) => kind !== 'mark');
    const one = poll(4000, 0, 2);
    const unread = theOne('topic.record', ({ topic, offset }) => topic === elsewhere.topic && offset === 3, log);
    expectClean([...busy, one, poll(14_000, 3, 5)]);
    const late = poll(14_001, 3, 5);
    expectOne([...busy, one, late], 'STUCK-CONSUMER', [unread, one, late]);
    expectClean([
      ...busy,
      one,
      late,
      { kind: 'nemesis', at: 4500, to: 5000, fault: 'F2', what: 'kill', target: 'kafka' },
    ]);
  });
});

describe('GAP', () => {
  const vanished: HistoryEvent = { kind: 'topic.ends', at: 9001, ...elsewhere, start: 4, end: 6 };
  const log = [...story, ...records(2, 4), vanished];

  test('a reader that goes on over records that no longer exist, newly assigned or not', () => {
    const [one, other] = [poll(2900, 0, 2), poll(4010, 4, 5)];
    expectOne([...log, one, other], 'GAP', [one, other]);
    expectOne([...log, one, assigned(4000), other], 'GAP', [one, other]);
  });
  test('a store that began again has no gap', () => {
    const emptied: HistoryEvent = { kind: 'store', at: 4000, store: 'ops', what: 'emptied' };
    expectClean([...log, poll(2900, 0, 2), emptied, poll(4010, 4, 5)]);
  });
  test('the express lane is dense', () => {
    const moved = { ...express, offset: 2 };
    const watermark = theOne('topic.record', ({ type }) => type === 'watermark');
    const read = { ...secondPoll, last: 2 };
    expectOne(changed([express, acked, secondPoll], [moved, read]), 'GAP', [watermark, moved]);
  });
  test('records of a re-created log are another epoch', () => {
    const again = { ...express, epoch: 1, offset: 7, at: 2020 };
    const read: ConsumerPoll = { ...firstPoll, at: 2030, first: 7, last: 7 };
    const emptied: HistoryEvent = { ...store, at: 2025, what: 'emptied' };
    const seeded: HistoryEvent = { ...store, at: 2029, what: 'seeded' };
    expectClean([...story, again, emptied, seeded, read]);
    expect(ends.start).toBe(0);
  });
});

describe('PRIVACY', () => {
  const canaries = ['anna+canary@example.org'];
  const artefact = (text: string): { artefacts: { name: string; bytes: Uint8Array }[]; canaries: string[] } => ({
    artefacts: [{ name: 'consent.log', bytes: Buffer.from(text) }],
    canaries,
  });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');

  test('nothing planted is found', () => expectClean(story, artefact('subjectKey=k1.anna')));
  test.each([
    ['plain', `to ${canaries[0]} sent`],
    ['in a URL', `/v1?mail=${encodeURIComponent(canaries[0] as string)}`],
    ['in hex', Buffer.from(canaries[0] as string).toString('hex')],
    ['in base64', base64(canaries[0] as string)],
    ['inside base64, one byte on', base64(`{${canaries[0]}}`)],
    ['inside base64, two bytes on', base64(`{"${canaries[0]}"}`)],
  ])('%s', (_form, text) => expectOne(story, 'PRIVACY', [], artefact(`x${text}`)));
});

test('an excerpt is the sentence and the events that show it', () => {
  const wrong = { ...express, at: 1 };
  const [violation] = check(historyOf(retold(express, wrong)));
  expect(violation && excerpt(violation).split('\n')).toEqual([
    `NO-PHANTOM: consent.revocations.v1 holds version 2 of ${who.subject} before it committed`,
    expect.stringMatching(/^ {6}0\.0010s {2}topic\.record {4}.*topic=consent\.revocations\.v1 partition=0 offset=1/),
    expect.stringMatching(/^ {6}2\.0100s {2}db\.change {8}controller=acme subject=k1\.anna version=2 direction=deny/),
  ]);
});

test('GAP: a log made anew under the epoch of the lost one (REL-5)', () => {
  const mark = (epoch: number, logEpoch: number): HistoryEvent => ({
    ...{ kind: 'topic.record', at: 3000 + epoch, topic: topics.revocations, partition: 7, offset: 0 },
    ...{ key: '~watermark', type: 'watermark', epoch, logEpoch, beats: [] },
  });
  expectClean([...story, mark(0, 4), mark(1, 5)]);
  expectOne([...story, mark(0, 4), mark(1, 4)], 'GAP', [mark(0, 4), mark(1, 4)]);
});
