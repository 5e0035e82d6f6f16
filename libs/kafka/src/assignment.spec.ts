import { expect, test } from '@jest/globals';
import { committable, startOf } from './assignment.ts';
import { Feed } from './feed.ts';
import { faultOf, isConnectionTrouble, KafkaFault } from './faults.ts';
import { Watchdog } from './kafkajs/watchdog.ts';
import { topicDifferences } from './topics.ts';

const range = { low: 10n, high: 20n };

test.each([
  [10n, true, { kind: 'at', offset: 10n }],
  [20n, true, { kind: 'at', offset: 20n }],
  [9n, true, { kind: 'out-of-range', wanted: 9n }],
  [21n, true, { kind: 'out-of-range', wanted: 21n }],
  [undefined, true, { kind: 'at', offset: 10n }],
  [undefined, false, { kind: 'at', offset: 20n }],
] as const)('GATE-3: position %s (from beginning: %s) -> %j', (wanted, fromBeginning, expected) => {
  expect(startOf(wanted, range, fromBeginning)).toEqual(expected);
});

test('a commit goes no further than handed out, never back, and only for partitions held', () => {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const feed = (position: bigint) =>
    new Feed(
      { tp: { topic: 't', partition: 0 }, epoch: 1, position, before: Promise.resolve(), onRoom: () => {} },
      () => Promise.resolve(),
      log,
      { maxBufferedRecords: 1, maxBufferedBytes: 1 },
    );
  const feeds = new Map([
    ['t:0', feed(5n)],
    ['t:1', feed(5n)],
    ['t:2', feed(5n)],
  ]);
  const wanted = new Map([
    ['t:0', 5n],
    ['t:1', 6n],
    ['t:2', 4n],
    ['t:3', 1n],
  ]);
  expect(committable(wanted, feeds, new Map([['t:2', 4n]]))).toEqual({
    commit: new Map([['t:0', 5n]]),
    refused: ['t:1'],
  });
});

test('differences of a topic name setting, wanted and found', () => {
  const spec = {
    name: 't',
    partitions: 12,
    replicationFactor: 1,
    config: { 'retention.ms': '10', 'cleanup.policy': 'delete' },
  };
  const asIs = {
    partitions: 6,
    replicationFactor: 1,
    config: new Map([
      ['retention.ms', '10'],
      ['cleanup.policy', 'compact'],
    ]),
  };
  expect(topicDifferences(spec, asIs)).toEqual([
    { topic: 't', setting: 'partitions', want: '12', have: '6' },
    { topic: 't', setting: 'cleanup.policy', want: 'delete', have: 'compact' },
  ]);
});

test('a fault is named by what lies beneath the client’s wrapping', () => {
  const wrapped = (cause: object) =>
    Object.assign(new Error('retries exceeded'), { name: 'KafkaJSNumberOfRetriesExceeded', cause });
  const unknown = { name: 'KafkaJSProtocolError', type: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'x' };
  expect(faultOf(wrapped(unknown), 'publish to t')).toMatchObject({ code: 'unknown-topic', permanent: true });
  const away = { name: 'KafkaJSConnectionError', message: 'connect ECONNREFUSED' };
  expect(faultOf(wrapped(wrapped(away)), 'publish to t')).toMatchObject({ code: 'unavailable', permanent: false });
  expect(isConnectionTrouble(wrapped(away))).toBe(true);
  expect(isConnectionTrouble(wrapped(unknown))).toBe(false);
  const own = new KafkaFault('closed', 'c');
  expect(faultOf(own, 'x')).toBe(own);
});

test('the watchdog counts looks, so that a stopped process does not blame Kafka for its own sleep', () => {
  const stalled: string[] = [];
  const watchdog = new Watchdog((node) => stalled.push(node));
  watchdog.began('1');
  watchdog.began('2');
  for (let i = 0; i < 5; i += 1) watchdog.look();
  watchdog.ended('2');
  watchdog.began('2');
  for (let i = 0; i < 4; i += 1) watchdog.look();
  expect(stalled).toEqual(['1']);
});
