import { cloudEventHeaders, topics, watermarkKey, type EventType } from '@entente/contracts';
import type { InRecord } from '@entente/kafka';
import type { Client } from '@entente/postgres';
import { describe, expect, test } from '@jest/globals';
import { keyOf } from '../testing/harness.ts';
import { judge, logEnd } from './log-check.ts';
import type { LedgerPort } from './ports.ts';

const record = (key: string, type: EventType, data: object | null): InRecord => ({
  ...{ topic: topics.revocations, partition: 0, offset: 0n, timestamp: 0, key: Buffer.from(key) },
  value: data === null ? null : Buffer.from(JSON.stringify(data)),
  headers: cloudEventHeaders({
    id: '1',
    source: 'urn:entente:consent',
    type,
    subject: key,
    time: '2026-01-01T00:00:00Z',
  }),
});
const change = (subject: number, version: unknown) =>
  record(keyOf(subject), 'org.entente.consent.changed.v1', { controller: 'acme', subjectKey: keyOf(subject), version });
const mark = (incarnation: number, number: number) =>
  record(watermarkKey, 'org.entente.relay.watermark.v1', {
    ...{
      incarnation,
      number,
      logEpoch: 0,
      highestAcked: '0',
      passTime: '2026-01-01T00:00:00Z',
      catalogue: 1,
      beats: [],
    },
    ledger: { number, hash: 'a'.repeat(64) },
  });

describe('RST-4: the end of a partition’s logs', () => {
  test.each([
    { what: 'nothing', records: [], newest: undefined },
    { what: 'the later of two', records: [mark(0, 4), mark(0, 5)], newest: 5 },
    { what: 'not that of a deposed relay', records: [mark(0, 5), mark(0, 4)], newest: 5 },
    { what: 'the higher incarnation', records: [mark(1, 1), mark(0, 9)], newest: 1 },
  ])('newest watermark: $what', ({ records, newest }) => expect(logEnd(records).watermark?.number).toBe(newest));

  test('the highest version of each subject; what cannot be read says nothing', () => {
    const unreadable = { ...change(3, 1), value: Buffer.from('{') };
    const { versions } = logEnd([
      change(1, 3),
      change(1, 2),
      change(2, 7),
      change(4, 'x'),
      unreadable,
      { ...change(5, 1), value: null },
    ]);
    expect(versions.map(({ subjectKey, version }) => [subjectKey, version])).toEqual([
      [keyOf(1), 3],
      [keyOf(2), 7],
    ]);
  });

  test.each([
    { what: 'an empty log', records: [], holdsHead: false, holdsVersions: false, verdict: { kind: 'sound' } },
    {
      what: 'all held',
      records: [mark(0, 1), change(1, 1)],
      holdsHead: true,
      holdsVersions: true,
      verdict: { kind: 'sound' },
    },
    {
      what: 'a foreign head',
      records: [mark(0, 1)],
      holdsHead: false,
      holdsVersions: true,
      verdict: { kind: 'lost', why: 'head' },
    },
    {
      what: 'a version from the future',
      records: [mark(0, 1), change(1, 9)],
      holdsHead: true,
      holdsVersions: false,
      verdict: { kind: 'lost', why: 'version' },
    },
  ])('$what', async ({ records, holdsHead, holdsVersions, verdict }) => {
    const ledger: Pick<LedgerPort, 'holdsHead' | 'holdsVersions'> = {
      holdsHead: () => Promise.resolve(holdsHead),
      holdsVersions: () => Promise.resolve(holdsVersions),
    };
    expect(await judge(logEnd(records), {} as Client, ledger)).toEqual(verdict);
  });
});
