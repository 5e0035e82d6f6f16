import { topics } from '@entente/contracts';
import { createLogger } from '@entente/observability';
import { createPool, inTransaction, migrate, type Pool } from '@entente/postgres';
import { testDatabase, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { opsMigrations } from '../migrations/index.ts';
import { quarantine } from '../tracker/learn.ts';
import { dismissUnreadable, unreadableList, unreadableRecords } from './unreadable.ts';

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await testDatabase('ops_unreadable');
  const log = createLogger({ service: 'ops-test', level: 'silent' });
  await migrate({ url: database.url, schema: 'ops', migrations: opsMigrations, log });
  pool = createPool({ url: database.url, schema: 'ops', name: 'unreadable-test', max: 1 });
}, 60_000);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** As the tracker reads it. */
const read = (topic: string, offset: bigint): Promise<void> => {
  const record = { topic, partition: 3, offset, timestamp: 0, key: null, value: null, headers: {} };
  return inTransaction(pool, (tx) => quarantine(tx, [{ record, reason: 'no type' }]));
};
const place = async (offset: string) => {
  const found = (await unreadableList(pool, 0)).records.find((record) => record.offset === offset);
  if (found === undefined) throw new Error(`${offset} is not listed`);
  return found;
};
const listed = async (): Promise<string[]> => (await unreadableList(pool, 0)).records.map(({ offset }) => offset);

test('a record that nobody could read counts until somebody has looked into it, and again when it is another one', async () => {
  for (const offset of [7n, 2n ** 60n]) await read(topics.revocations, offset);
  await read(topics.sends, 1n);
  expect([await listed(), await unreadableRecords(pool)]).toEqual([['7', String(2n ** 60n)], 2]);
  const first = await place('7');
  expect(await dismissUnreadable(pool, { ...first, at: '2020-01-01T00:00:00Z' })).toBe(false);
  expect([await dismissUnreadable(pool, first), await dismissUnreadable(pool, first)]).toEqual([true, false]);
  expect(await dismissUnreadable(pool, { ...first, topic: topics.sends, offset: '1' })).toBe(false);
  expect([await listed(), await unreadableRecords(pool)]).toEqual([[String(2n ** 60n)], 1]);
  await read(topics.revocations, 7n);
  expect(await unreadableRecords(pool)).toBe(2);
  // Whoever has seen the one before has not looked into this one.
  expect(await dismissUnreadable(pool, first)).toBe(false);
  expect(await dismissUnreadable(pool, await place('7'))).toBe(true);
});
