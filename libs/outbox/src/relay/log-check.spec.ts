import { cloudEventHeaders, topics, watermarkKey, type EventType } from '@entente/contracts';
import type { Admin, InRecord } from '@entente/kafka';
import type { Client } from '@entente/postgres';
import { describe, expect, test } from '@jest/globals';
import { keyOf } from '../testing/harness.ts';
import { judge, logEnd, readLogEnd } from './log-check.ts';
import type { LedgerPort } from './ports.ts';

const record = (key: string, type: EventType, data: object | null, id = '1'): InRecord => ({
  ...{ topic: topics.revocations, partition: 0, offset: 0n, timestamp: 0, key: Buffer.from(key) },
  value: data === null ? null : Buffer.from(JSON.stringify(data)),
  headers: cloudEventHeaders({
    id,
    source: 'urn:entente:consent',
    type,
    subject: key,
    time: '2026-01-01T00:00:00Z',
  }),
});
const idOf = (n: number): string => `0193a000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const change = (n: number) => record(keyOf(n), 'org.entente.consent.changed.v1', { subjectKey: keyOf(n) }, idOf(n));
const mark = (incarnation: number, number: number, logEpoch = 0) => ({
  ...record(watermarkKey, 'org.entente.relay.watermark.v1', {
    ...{
      incarnation,
      number,
      logEpoch,
      highestAcked: '0',
      passTime: '2026-01-01T00:00:00Z',
      catalogue: 1,
      beats: [],
    },
    ledger: { number, hash: 'a'.repeat(64) },
  }),
  offset: 1n,
});

describe('RST-4: the end of a partition’s logs', () => {
  test.each([
    { what: 'nothing', records: [], newest: undefined },
    { what: 'the later of two', records: [mark(0, 4), mark(0, 5)], newest: 5 },
    { what: 'not that of a deposed relay', records: [mark(0, 5), mark(0, 4)], newest: 5 },
    { what: 'the higher incarnation', records: [mark(1, 1), mark(0, 9)], newest: 1 },
  ])('newest watermark: $what', ({ records, newest }) => expect(logEnd(records).watermark?.number).toBe(newest));

  test('REL-5: the highest log epoch, whoever named it last', () => {
    expect(logEnd([mark(0, 4, 1), mark(4, 1, 0)])).toMatchObject({ epoch: 1, watermark: { incarnation: 4 } });
    expect(logEnd([]).epoch).toBe(0);
    expect(logEnd([mark(0, 4, 1), mark(0, 5, 2 ** 40)]).epoch).toBe(1);
  });

  test('REL-5: a watermark on its way when the log was made anew tells of the log before, until one tells of this', () => {
    const stray = { ...mark(0, 4, 1), offset: 0n };
    const told = (...records: InRecord[]) => logEnd(records).untold;
    expect([told(), told(mark(0, 4, 1)), told(stray), told(stray, mark(0, 5, 1))]).toEqual([false, false, true, true]);
    expect([told(stray, mark(0, 5, 2)), logEnd([stray]).epoch]).toEqual([false, 1]);
  });

  test('the newest watermark is found however many records a drained backlog has put behind it', async () => {
    const all = [mark(0, 4, 1), ...Array.from({ length: 9_000 }, (_, index) => change(index + 1))];
    const log = all.map((each, index) => ({ ...each, offset: BigInt(index + 1) }));
    const high = BigInt(log.length + 1);
    const kafka = {
      readRange: (topic: string, _partition: number, from: bigint, to: bigint) =>
        Promise.resolve(topic === topics.revocations ? log.filter(({ offset }) => offset >= from && offset < to) : []),
    };
    const admin = { offsets: () => Promise.resolve(new Map([[0, { low: 0n, high }]])) } as unknown as Admin;
    expect(await readLogEnd(kafka, admin, 0)).toMatchObject({ watermark: { number: 4 }, epoch: 1, expressEnd: high });
  });

  test('every change by its id and place; what has none says nothing', () => {
    const foreign = { ...change(3), headers: { ce_type: 'something.else', ce_id: idOf(3) } };
    const nameless = { ...change(4), headers: { ...change(4).headers, ce_id: 'four' } };
    const { changes } = logEnd([change(1), { ...change(2), offset: 7n }, foreign, nameless]);
    expect(changes.map(({ changeId, offset }) => [changeId, offset])).toEqual([
      [idOf(1), 0n],
      [idOf(2), 7n],
    ]);
  });

  test.each([
    { what: 'an empty log', records: [], holdsHead: false, holdsChanges: false, verdict: { kind: 'sound' } },
    {
      what: 'all held',
      records: [mark(0, 1), change(1)],
      holdsHead: true,
      holdsChanges: true,
      verdict: { kind: 'sound' },
    },
    {
      what: 'a foreign head',
      records: [mark(0, 1)],
      holdsHead: false,
      holdsChanges: true,
      verdict: { kind: 'lost', why: 'head' },
    },
    {
      what: 'a change that the ledger does not hold',
      records: [mark(0, 1), change(1)],
      holdsHead: true,
      holdsChanges: false,
      verdict: { kind: 'lost', why: 'change' },
    },
  ])('$what', async ({ records, holdsHead, holdsChanges, verdict }) => {
    const ledger: Pick<LedgerPort, 'holdsHead' | 'holdsChanges'> = {
      holdsHead: () => Promise.resolve(holdsHead),
      holdsChanges: () => Promise.resolve(holdsChanges),
    };
    expect(await judge(logEnd(records), {} as Client, ledger)).toEqual(verdict);
  });
});
