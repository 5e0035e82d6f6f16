import { topics } from '@entente/contracts';
import { createLogger } from '@entente/observability';
import { createPool, databaseIdentity, type Pool } from '@entente/postgres';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { comparisonMade, comparisonOwed, DatabaseWatch, markRestored, oweComparison } from '../store/known-database.ts';
import { leaveGap, storedPositions } from '../store/log-positions.ts';
import { ads, mail, MemoryRecipient } from '../testing/memory-recipient.ts';
import type { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import type { TestPerson } from '../testing/test-people.ts';

let database: TestDatabase;
let recipient: MemoryRecipient;
let runtime: RuntimeUnderTest;
const planted = (): TestPerson => recipient.planted();
const sharedPerson = (): Promise<TestPerson> => recipient.sharedPerson();
/** Longer than an exposure window, which may have to run out first (DLV-3). */
const told = (person: TestPerson, enforcement: string): Promise<unknown> =>
  waitFor(async () => (await runtime.enforcements(person)).includes(enforcement), {
    what: enforcement,
    timeoutMs: 30_000,
  });

beforeAll(async () => {
  database = await testDatabase('connector-after-loss');
  recipient = await MemoryRecipient.start(database.url);
  ({ runtime } = recipient);
});
afterAll(async () => {
  await runtime.stop();
  await database.drop();
});

describe('DLV-7: after a gap in a log', () => {
  test('TRK-1: a denial in it, which the next change heard takes back, is told superseded, whichever process hears of it', async () => {
    const { pool } = runtime;
    const person = await sharedPerson();
    // Version 2 denied, and retention passed it; version 3 denies something else that this recipient was never given.
    const tp = await runtime.receive(topics.revocations, [{ key: planted().subjectKey, value: 'x' }]);
    await leaveGap(pool, tp);
    expect([await storedPositions(pool, [tp]), await comparisonOwed(pool)]).toEqual([new Map(), expect.any(String)]);
    await runtime.change(person, 3, [ads, mail], { lanes: ['revocations'] });
    await told(person, 'never-shared@3');
    await comparisonMade(pool, (await comparisonOwed(pool)) ?? '');
  });

  test('a database that nobody could ask who it is keeps what is owed, and is not taken for another one later', async () => {
    const { pool } = runtime;
    await pool.query('DELETE FROM known_database');
    await oweComparison(pool);
    const owed = await comparisonOwed(pool);
    const log = createLogger({ service: 'test', level: 'error' });
    const watch = new DatabaseWatch({ log, onLost: () => expect('a loss').toBe('no loss') });
    await watch.look(pool);
    expect([owed, await comparisonOwed(pool)]).toEqual([expect.any(String), owed]);
    await comparisonMade(pool, owed ?? '');
  });
});

describe('DLV-7: after a restore of this database', () => {
  const elsewhere = `UPDATE known_database SET timeline = timeline - 1`;
  const log = createLogger({ service: 'test', level: 'error' });
  /** By a process that has just started: it knows only what the database says of itself. */
  const foundRestored = async (pool: Pool): Promise<boolean> => {
    let lost = false;
    await new DatabaseWatch({ log, onLost: () => (lost = true) }).look(pool);
    return lost;
  };

  test('another server, or another history of this one, is a restore; with a synchronous standby a promotion is none', async () => {
    const { pool } = runtime;
    expect([await foundRestored(pool), await foundRestored(pool)]).toEqual([false, false]);
    await pool.query(`${elsewhere}, synchronous = true`);
    expect(await foundRestored(pool)).toBe(false);
    await pool.query(elsewhere);
    expect([await foundRestored(pool), await foundRestored(pool)]).toEqual([true, false]);
    await pool.query(`UPDATE known_database SET system_identifier = '1', synchronous = true`);
    expect(await foundRestored(pool)).toBe(true);
    await pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('each process finds out by its own next connection, before anything is written through it (RST-3)', async () => {
    const client = await runtime.pool.connect();
    const heard: string[] = [];
    let here = await databaseIdentity(client);
    const [one, other] = ['one', 'other'].map(
      (name) => new DatabaseWatch({ log, onLost: () => heard.push(name), identityOf: () => Promise.resolve(here) }),
    ) as [DatabaseWatch, DatabaseWatch];
    const markedAgain = async (): Promise<boolean> =>
      (await client.query('UPDATE known_database SET restored_at = NULL WHERE restored_at IS NOT NULL')).rowCount === 1;
    try {
      for (const watch of [one, other]) await watch.connected(client);
      expect([heard, await markedAgain()]).toEqual([[], false]);
      here = { ...here, timeline: here.timeline + 1 };
      await one.connected(client);
      expect([heard, await markedAgain()]).toEqual([['one'], true]);
      for (const watch of [one, other, other]) await watch.connected(client);
      // Each marks by what it has seen itself: the row that the other recorded may be that of an old copy.
      expect([heard, await markedAgain()]).toEqual([['one', 'other'], true]);
    } finally {
      client.release();
      await foundRestored(runtime.pool);
      await runtime.pool.query('UPDATE known_database SET restored_at = NULL');
    }
  });

  test('a standby is not written through, nor kept until it is promoted (RST-3)', async () => {
    const client = await runtime.pool.connect();
    const identity = { ...(await databaseIdentity(client)), inRecovery: true };
    const watch = new DatabaseWatch({ log, onLost: () => undefined, identityOf: () => Promise.resolve(identity) });
    await expect(watch.connected(client)).rejects.toThrow('in recovery');
    client.release();
  });

  test('a standby that acknowledges no more is remembered as such, whatever its own row says (RST-3)', async () => {
    const { pool } = runtime;
    let here = { ...(await databaseIdentity(pool)), timeline: 7 };
    let lost = 0;
    const watch = new DatabaseWatch({ log, onLost: () => (lost += 1), identityOf: () => Promise.resolve(here) });
    await pool.query(`${elsewhere}, synchronous = true`);
    await watch.look(pool);
    // The copy that is promoted has the row of a time when it acknowledged every commit.
    await pool.query('UPDATE known_database SET synchronous = true');
    here = { ...here, timeline: 8 };
    await watch.look(pool);
    expect(lost).toBe(1);
    await foundRestored(pool);
    await pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('the comparison that is owed after a loss outlives the process that found it (DLV-7)', async () => {
    const { pool } = runtime;
    await pool.query('UPDATE known_database SET comparison_owed_since = NULL');
    expect([await foundRestored(pool), await comparisonOwed(pool)]).toEqual([false, null]);
    await pool.query(elsewhere);
    expect(await foundRestored(pool)).toBe(true);
    const owed = (await comparisonOwed(pool)) ?? '';
    expect(await foundRestored(pool)).toBe(false);
    expect(await comparisonOwed(pool)).toBe(owed);
    await pool.query(elsewhere);
    await foundRestored(pool);
    await comparisonMade(pool, owed);
    const later = (await comparisonOwed(pool)) ?? '';
    expect(later > owed).toBe(true);
    await comparisonMade(pool, later);
    expect(await comparisonOwed(pool)).toBe(null);
    await pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('a pool lends a connection only once that is settled, also where nothing is migrated yet', async () => {
    const [{ schema } = { schema: '' }] = (
      await runtime.pool.query<{ schema: string }>('SELECT current_schema() AS schema')
    ).rows;
    await runtime.pool.query(elsewhere);
    let heard = 0;
    const watch = new DatabaseWatch({ log, onLost: () => (heard += 1) });
    const seen: unknown[] = [];
    for (const name of ['pg_temp', schema]) {
      const pool = createPool({
        ...{ url: database.url, schema: name, name: 'asked', max: 1 },
        onConnect: (client) => watch.connected(client),
      });
      seen.push(
        (
          await pool.query(
            name === schema ? 'SELECT restored_at IS NOT NULL AS is FROM known_database' : 'SELECT false AS is',
          )
        ).rows,
      );
      await pool.end();
    }
    expect([heard, seen]).toEqual([1, [[{ is: false }], [{ is: true }]]]);
    await runtime.pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('a catalogue that the database lost is asked for again, and what waits for it is judged by it', async () => {
    const { pool, keeper } = runtime;
    const [person, after] = [await sharedPerson(), planted()];
    const held = keeper.number;
    await pool.query('DELETE FROM catalogue');
    await expect(runtime.change(after, 1, [ads])).rejects.toThrow('no catalogue is stored yet');
    // What a process does once it has found out (connector-parts.ts).
    await keeper.open();
    expect([keeper.number, (await pool.query('SELECT number FROM catalogue')).rows]).toEqual([
      held,
      [{ number: held }],
    ]);
    await runtime.change(after, 2, [ads]);
    expect(await runtime.row(after)).toMatchObject({ version: 2, desired: [ads], catalogue: held });
    await runtime.change(person, 2, []);
    await told(person, 'accepted@2');
  });

  test('the mark outlives a catalogue that was lost too: the one fetched in its place counts everybody as preloaded', async () => {
    const { pool, keeper } = runtime;
    const person = planted();
    await runtime.change(person, 1, [ads]);
    await pool.query(elsewhere);
    expect(await foundRestored(pool)).toBe(true);
    await pool.query('DELETE FROM catalogue');
    await keeper.open();
    await runtime.change(person, 2, []);
    await told(person, 'accepted@2');
    await pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('TRK-1: a denial lost with the rows, and taken back before the comparison, is told superseded', async () => {
    const { pool } = runtime;
    const [person, next] = [await sharedPerson(), await sharedPerson()];
    await pool.query(elsewhere);
    expect(await foundRestored(pool)).toBe(true);
    // Version 2 denied; this process had read it, and its rows have lost it.
    await runtime.change(person, 3, [ads, mail]);
    await runtime.change(next, 2, [ads, mail]);
    await told(person, 'never-shared@3');
    await comparisonMade(pool, (await comparisonOwed(pool)) ?? '');
    await runtime.change(person, 5, [ads, mail]);
    expect(await runtime.enforcements(person)).toEqual(['never-shared@3']);
    expect(await runtime.enforcements(next)).toEqual([]);
    await pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('TRK-1: a denial lost with the rows, which a later grant of something else leaves standing, is revoked all the same', async () => {
    const { pool } = runtime;
    const person = await sharedPerson();
    await pool.query(elsewhere);
    expect(await foundRestored(pool)).toBe(true);
    // Version 2 took the ads away; the rows have lost it, and that anything was ever shared.
    await runtime.change(person, 2, [mail], { lanes: [] });
    for (const table of ['delivery', 'exposure'])
      await pool.query(`DELETE FROM ${table} WHERE subject_key = $1`, [person.subjectKey]);
    await runtime.change(person, 3, [mail]);
    await told(person, 'accepted@3');
    expect(await runtime.enforcements(person)).not.toContain('never-shared@3');
    await pool.query('UPDATE known_database SET restored_at = NULL, comparison_owed_since = NULL');
  });

  test('DLV-6: somebody erased who may have come back before the loss counts as shared; who was heard of all along does not', async () => {
    const { pool } = runtime;
    const [returned, heard] = [await sharedPerson(), await sharedPerson()];
    for (const person of [returned, heard]) {
      await runtime.erase(person, 2);
      await told(person, 'accepted@2');
    }
    await pool.query(elsewhere);
    expect(await foundRestored(pool)).toBe(true);
    // Version 3 granted, and was shared: the rows have lost both.
    await runtime.change(returned, 4, []);
    await runtime.change(heard, 3, []);
    await told(heard, 'never-shared@3');
    await told(returned, 'accepted@4');
    await pool.query('UPDATE known_database SET restored_at = NULL, comparison_owed_since = NULL');
  });

  test('a share under way whose window was lost is waited for: what began before settles nothing (DLV-3)', async () => {
    const { pool } = runtime;
    const person = await sharedPerson();
    const revocations = () => recipient.revoked.filter(({ subjectKey }) => subjectKey === person.subjectKey).length;
    await pool.query('UPDATE delivery SET in_flight_until = NULL');
    await pool.query(elsewhere);
    expect(await foundRestored(pool)).toBe(true);
    await runtime.change(person, 2, []);
    await waitFor(async () => (await runtime.row(person))?.reason === 'in-flight', { what: 'the window waited for' });
    expect([revocations(), await runtime.enforcements(person)]).toEqual([
      1,
      expect.not.arrayContaining(['accepted@2']),
    ]);
    await told(person, 'accepted@2');
    expect(revocations()).toBe(2);
    await pool.query('UPDATE known_database SET restored_at = NULL');
  });

  test('every recipient counts as preloaded: nobody knows what was shared since the backup', async () => {
    const [before, after] = [planted(), planted()];
    for (const person of [before, after]) await runtime.change(person, 1, [ads]);
    await runtime.change(before, 2, []);
    await told(before, 'never-shared@2');
    expect(await markRestored(database.url, 'public')).toBe(false);
    const [{ schema } = { schema: '' }] = (
      await runtime.pool.query<{ schema: string }>('SELECT current_schema() AS schema')
    ).rows;
    expect(await markRestored(database.url, schema)).toBe(true);
    await runtime.change(after, 2, []);
    await told(after, 'accepted@2');
  });
});
