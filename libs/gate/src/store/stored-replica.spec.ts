import type { ControllerId, SubjectKey } from '@entente/contracts';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryLock } from './directory-lock.ts';
import { LmdbReplica } from './lmdb-replica.ts';
import { readStoredReplica, UnusableReplica } from './stored-replica.ts';

const acme = 'acme' as ControllerId;
const ada = 'k1.AAAAAAAAAAAAAAAAAAAAAA' as SubjectKey;
const vector = { ads: { decision: 'withdrawn', since: '2026-01-01T00:00:00.000Z' } } as const;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'stored-replica-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function written(seeded: boolean): Promise<void> {
  const replica = new LmdbReplica(directory, acme);
  replica.commit({
    subjects: [{ subjectKey: ada, version: 7, vector: vector }],
    positions: new Map([['consent.changes.v1:3', 41n]]),
    catalogue: { number: 5, purposes: [], notices: [], recipients: [] },
    ...(seeded ? { seeded: { incarnation: 2 } } : {}),
  });
  await replica.close();
}

test('RST-4 what a gate held is read where it lies, and stays', async () => {
  await written(true);
  for (let again = 0; again < 2; again += 1) {
    const stored = readStoredReplica(directory);
    expect([stored.controller, stored.catalogue.number, stored.positions]).toEqual([
      acme,
      5,
      new Map([['consent.changes.v1:3', 41n]]),
    ]);
    expect([...stored.subjects()]).toEqual([{ subjectKey: ada, version: 7, vector }]);
    await stored.close();
  }
});

test('a replica that is not whole, in use, of another run of the host, or not there says nothing', async () => {
  expect(() => readStoredReplica(directory)).toThrow(UnusableReplica);
  await written(false);
  expect(() => readStoredReplica(directory)).toThrow('is not whole');
  const lock = DirectoryLock.tryAcquire(directory);
  expect(() => readStoredReplica(directory)).toThrow('a gate runs');
  lock?.release();
  writeFileSync(join(directory, 'boot'), 'another');
  expect(() => readStoredReplica(directory)).toThrow('the host was restarted');
});
