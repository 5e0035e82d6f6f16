import { controllerId, type ConsentVector } from '@entente/contracts';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acme, catalogueDocument, crm, email, subject, vector } from '../testing/consent-fixtures.ts';
import { LmdbReplica } from './lmdb-replica.ts';

let directory: string;
let replica: LmdbReplica;
const reopen = async (controller = acme) => {
  await replica.close();
  replica = new LmdbReplica(directory, controller);
};
const write = (version: number, given: ConsentVector, number = 1) =>
  replica.commit({ subjects: [{ subjectKey: subject(number), version, vector: given }] });

const held = (number = 1) => {
  const { version, vector: kept } = replica.get(subject(number)) ?? {};
  return { version, vector: kept };
};
/** What a decision rests on: not since when. */
const permitting = (given: ConsentVector) =>
  Object.fromEntries(Object.entries(given).map(([purpose, { since: _, ...state }]) => [purpose, state]));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-replica-'));
  replica = new LmdbReplica(directory, acme);
});
afterEach(async () => {
  await replica.close();
  await rm(directory, { recursive: true, force: true });
});

describe('replica', () => {
  test.each([
    ['a plain grant', vector('granted')],
    ['an end and refusals', vector('granted', { validUntil: '2027-01-01T00:00:00.123Z', refused: [crm] })],
    ['refusals without an end', vector('granted', { refused: [crm] })],
    ['an end no clock can read', vector('granted', { validUntil: '2026-12-31T23:59:60Z' })],
    ['an erasure', {}],
  ])('gives back %s, in the same tick and after a restart', async (_what, given) => {
    write(2 ** 40 + 3, given);
    expect(held()).toEqual({ version: 2 ** 40 + 3, vector: permitting(given) });
    expect(held()).toEqual({ version: 2 ** 40 + 3, vector: permitting(given) });
    await reopen();
    expect(held()).toEqual({ version: 2 ** 40 + 3, vector: permitting(given) });
  });

  test('ORDER: only a higher version is written', () => {
    write(5, vector('withdrawn'));
    write(4, vector('granted'));
    write(5, vector('granted'));
    expect(replica.get(subject(1))?.vector?.[email]?.decision).toBe('withdrawn');
    write(6, vector('granted'));
    expect(replica.get(subject(1))?.version).toBe(6);
  });

  test('a closed key holds no vector, also after a restart, whatever versions come, until emptied', async () => {
    write(1, vector('granted'));
    replica.commit({ closeKeys: new Map([[subject(1), 'x']]) });
    write(2, vector('granted'));
    expect(replica.get(subject(1))).toEqual({ version: 2, vector: undefined });
    await reopen();
    expect(replica.get(subject(1))).toEqual({ version: 2, vector: undefined });
    replica.empty();
    write(2, vector('granted'));
    expect(replica.get(subject(1))?.vector).toBeDefined();
  });

  test('GATE-1: resumes what one transaction held; emptied it is not seeded, but keeps fences', async () => {
    const partition = { logEpoch: 2, newest: { incarnation: 1, number: 9 }, ledger: null, closed: true };
    replica.commit({
      positions: new Map([['t:0', 2n ** 60n]]),
      partitions: new Map([[3, partition]]),
      catalogue: catalogueDocument(),
      seeded: { incarnation: 1 },
    });
    await reopen();
    expect(replica.resumed()).toEqual({
      seeded: true,
      incarnation: 1,
      positions: new Map([['t:0', 2n ** 60n]]),
      partitions: new Map([[3, partition]]),
      catalogue: catalogueDocument(),
    });
    replica.empty();
    await reopen();
    expect(replica.resumed()).toMatchObject({
      seeded: false,
      positions: new Map(),
      partitions: new Map([[3, partition]]),
    });
  });

  test.each([
    ['the same run of the host', 'boot-1', 'boot-1', true],
    ['another run of the host, which may have lost any part of it', 'boot-1', 'boot-2', false],
    ['a host that does not tell its runs apart', null, null, false],
  ])('after %s the store is whole or not there', async (_what, written, found, kept) => {
    await replica.close();
    replica = new LmdbReplica(directory, acme, written);
    write(1, vector('withdrawn'));
    await replica.close();
    replica = new LmdbReplica(directory, acme, found);
    expect(replica.get(subject(1)) !== undefined).toBe(kept);
    expect(replica.resumed().seeded).toBe(false);
  });

  test('another controller’s store is emptied, not read', async () => {
    write(1, vector('granted'));
    replica.commit({ catalogue: catalogueDocument(), seeded: { incarnation: 0 } });
    await reopen(controllerId('other'));
    expect(replica.resumed().seeded).toBe(false);
    expect(replica.get(subject(1))).toBeUndefined();
    expect(replica.counts().subjects).toBe(0);
  });

  test('a transaction that fails leaves nothing behind', () => {
    const broken = vector('granted', { decision: 'perhaps' });
    expect(() =>
      replica.commit({
        subjects: [
          { subjectKey: subject(1), version: 1, vector: vector('granted') },
          { subjectKey: subject(2), version: 1, vector: broken },
        ],
      }),
    ).toThrow();
    expect(replica.get(subject(1))).toBeUndefined();
  });
});

test('a store whose disk has no room is lost before LMDB writes, holds what it held, and goes on when there is some', async () => {
  let free = 2 ** 30;
  await replica.close();
  const open = () => new LmdbReplica(directory, acme, undefined, undefined, () => free);
  replica = open();
  write(1, vector('granted'));
  free = 2 ** 20;
  expect(() => write(2, vector('withdrawn'))).toThrow('bytes are free');
  expect(() => replica.empty()).toThrow('bytes are free');
  expect(held()).toMatchObject({ version: 1 });
  expect(open).toThrow('bytes are free');
  free = 2 ** 30;
  write(2, vector('withdrawn'));
  expect(held()).toMatchObject({ version: 2 });
});

test('a disk without room ends no process: LMDB maps no page of its lock file that has none of its own', async () => {
  const { size, blocks } = await stat(join(directory, 'replica.mdb-lock'));
  expect(size).toBeGreaterThan(0);
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
});
