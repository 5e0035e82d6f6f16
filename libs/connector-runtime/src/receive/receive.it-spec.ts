import { purposeId, topics, type CatalogueChanged, type SnapshotLine } from '@entente/contracts';
import type { InRecord } from '@entente/kafka';
import { createLogger, systemClock } from '@entente/observability';
import { createPool, databaseIdentity, type Pool } from '@entente/postgres';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { definePartner, type Revocation } from '../partner/definition.ts';
import { storeCatalogue } from '../store/catalogue-store.ts';
import { storedPositions } from '../store/log-positions.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { controller, newPerson, type TestPerson } from '../testing/test-people.ts';
import { comparisonMade, comparisonOwed, DatabaseWatch, markRestored } from '../store/known-database.ts';
import { Reconciler } from './reconciler.ts';

const mail = purposeId('mail');
const ads = purposeId('ads');

class MemorySettings {
  readonly remembers = true;
}

/** A partner in memory: accepts every revocation and remembers it. */
const revoked: Revocation[] = [];
const partner = definePartner<MemorySettings>({
  partner: 'memory',
  kind: 'crm',
  settings: MemorySettings,
  identifiers: ['email'],
  limits: { shareBatch: 10, revokeBatch: 10, concurrency: 2, calls: 1_000, perMs: 1_000 },
  documentedDelay: { en: 'none', fr: 'aucun' },
  shareBy: 'recipient',
  share: (batch) => Promise.resolve(batch.map(() => ({ kind: 'sent' }))),
  revoke: (batch) => {
    revoked.push(...batch);
    return Promise.resolve(batch.map(() => ({ kind: 'applied' })));
  },
});

let database: TestDatabase;
let runtime: RuntimeUnderTest;
const planted = (): TestPerson => newPerson((name) => ({ email: `${name}@example.org` }));
const sharedPerson = async (): Promise<TestPerson> => {
  const person = planted();
  await runtime.change(person, 1, [ads, mail]);
  for (const purpose of [ads, mail]) expect(await runtime.share(person, purpose)).toEqual({ outcome: 'sent' });
  return person;
};
/** Longer than an exposure window, which may have to run out first (DLV-3). */
const told = (person: TestPerson, enforcement: string) =>
  waitFor(async () => (await runtime.enforcements(person)).includes(enforcement), {
    what: enforcement,
    timeoutMs: 30_000,
  });

beforeAll(async () => {
  database = await testDatabase('connector-receive');
  const fields = ['plan'];
  runtime = await RuntimeUnderTest.start({
    ...{
      databaseUrl: database.url,
      definition: partner,
      settings: new MemorySettings(),
      purposes: [ads, mail],
      fields,
    },
  });
  runtime.revoker.start();
});
afterAll(async () => {
  await runtime.stop();
  await database.drop();
});

describe('DLV-1: receiving', () => {
  test('an undecodable record is quarantined with its place, closes its person and stalls nobody', async () => {
    const [hurt, next] = [await sharedPerson(), planted()];
    const tp = await runtime.receive(topics.changes, [{ key: hurt.subjectKey, value: '{"half":' }]);
    await runtime.change(next, 1, [ads]);
    expect(await runtime.row(hurt)).toMatchObject({ state: 'parked', reason: 'undecodable-record' });
    expect(await runtime.row(next)).toMatchObject({ version: 1, desired: [ads] });
    const { rows } = await runtime.pool.query('SELECT topic, partition, key FROM quarantine');
    expect(rows).toEqual([{ ...tp, key: hurt.subjectKey }]);
    await runtime.change(hurt, 2, [ads]);
    await told(hurt, 'accepted@2');
  });

  test('the position is stored with what the records did, and never goes back', async () => {
    const person = planted();
    const tp = await runtime.receive(topics.revocations, [{ key: person.subjectKey, value: 'x' }]);
    const before = await storedPositions(runtime.pool, [tp]);
    await runtime.receiver.receive(tp, [{ ...tp, offset: 0n, timestamp: 0, key: null, value: null, headers: {} }]);
    expect(await storedPositions(runtime.pool, [tp])).toEqual(before);
  });

  test('both lanes at once, many persons, no deadlock and one acknowledgement each', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, sharedPerson));
    await Promise.all(
      people.flatMap((person) =>
        (['revocations', 'changes'] as const).map((lane) => runtime.change(person, 2, [], { lanes: [lane] })),
      ),
    );
    for (const person of people) await told(person, 'accepted@2');
    for (const person of people) expect(await runtime.enforcements(person)).toEqual(['accepted@2']);
  });

  test('DLV-3: the union of every set of identifiers recorded at a share goes to the partner', async () => {
    const person = await sharedPerson();
    const other = { ...person, identifiers: { email: 'other@example.org' } };
    expect(await runtime.share(other, ads)).toEqual({ outcome: 'sent' });
    await runtime.change(person, 2, []);
    await told(person, 'accepted@2');
    const told_ = revoked.findLast(({ subjectKey }) => subjectKey === person.subjectKey);
    expect(new Set(told_?.identifiers.map(({ email }) => email))).toEqual(
      new Set([person.identifiers.email, 'other@example.org']),
    );
  });
});

describe('DLV-4: identifiers that are missing', () => {
  const exposedElsewhere = async (person: TestPerson): Promise<void> => {
    await runtime.change(person, 1, [ads], { sealed: false });
    expect(await runtime.share(person, ads)).toEqual({ outcome: 'sent' });
    // As after the loss of the storage keys: nothing recorded can be opened.
    await runtime.pool.query(`UPDATE exposure SET sealed = 'x' WHERE subject_key = $1`, [person.subjectKey]);
  };

  test('are asked for from the consent service', async () => {
    const person = planted();
    await exposedElsewhere(person);
    await runtime.knownToConsent(person);
    await runtime.change(person, 2, [], { sealed: false });
    await told(person, 'accepted@2');
  });

  test('lacking them parks, never settles', async () => {
    const person = planted();
    await exposedElsewhere(person);
    await runtime.change(person, 2, [], { sealed: false });
    await told(person, 'parked@2');
    expect(await runtime.row(person)).toMatchObject({
      state: 'parked',
      reason: 'missing-identifier',
      attempted: false,
    });
  });
});

describe('DLV-7: after a gap', () => {
  test('newer denies are taken from the snapshot, and an exposed person it does not know is erased there', async () => {
    const [withdrawn, vanished, same] = [await sharedPerson(), await sharedPerson(), await sharedPerson()];
    const since = new Date(systemClock.now()).toISOString();
    const vector = (decision: 'granted' | 'withdrawn') => ({
      [mail]: { decision, notice: 'privacy@1', since },
      [ads]: { decision: 'granted', notice: 'privacy@1', since },
    });
    async function* snapshot(): AsyncGenerator<SnapshotLine> {
      yield {
        kind: 'subject',
        subjectKey: withdrawn.subjectKey,
        version: 5,
        vector: vector('withdrawn'),
      } as SnapshotLine;
      yield { kind: 'subject', subjectKey: same.subjectKey, version: 1, vector: vector('granted') } as SnapshotLine;
      await Promise.resolve();
      yield { kind: 'end', subjects: 2, ledger: { number: 1, hash: '0'.repeat(64) } };
    }
    const { pool } = runtime;
    const recipients = [runtime.recipient.id];
    const log = createLogger({ service: 'test', level: 'silent' });
    const reconciler = new Reconciler({
      pool,
      controller,
      recipients,
      snapshot,
      log,
      wake: () => runtime.revoker.wake(),
    });
    await reconciler.run(new AbortController().signal);
    await told(withdrawn, 'accepted@5');
    await told(vanished, 'accepted@1');
    expect(revoked.findLast(({ subjectKey }) => subjectKey === withdrawn.subjectKey)?.allowed).toEqual([ads]);
    expect(await runtime.enforcements(same)).toEqual([]);
  });
});

describe('REC-9 and DLV-1: the catalogue', () => {
  const tp = { topic: topics.catalogue, partition: 0 };
  const record = (offset: bigint, change: Partial<CatalogueChanged> & { number: number }): InRecord => ({
    ...tp,
    offset,
    timestamp: 0,
    key: Buffer.from(controller),
    value: Buffer.from(
      JSON.stringify({
        controller,
        purposes: [],
        notices: [],
        recipients: [],
        committedAt: '2026-01-01T00:00:00Z',
        ...change,
      }),
    ),
    headers: { ce_type: 'org.entente.catalogue.changed.v1' },
  });

  test('a reducing change revokes what fell away for everyone exposed', async () => {
    const person = await sharedPerson();
    const [adsPurpose] = runtime.document.purposes;
    if (!adsPurpose) throw new Error('no purpose');
    await runtime.keeper.receive(tp, [record(0n, { number: 2, purposes: [{ ...adsPurpose, active: false }] })]);
    await waitFor(
      () => revoked.some(({ subjectKey, allowed }) => subjectKey === person.subjectKey && allowed.join() === 'mail'),
      {
        what: 'the revocation of ads',
      },
    );
  });

  test('a grant that arrives between a reducing change and its recompute takes nothing from it (NO-LOSS)', async () => {
    const whole = { ...runtime.document, number: runtime.document.number + 10 };
    await storeCatalogue(runtime.pool, controller, whole);
    const person = await sharedPerson();
    const changed = {
      ...whole,
      number: whole.number + 1,
      purposes: whole.purposes.map((purpose) => (purpose.id === ads ? { ...purpose, active: false } : purpose)),
    };
    await storeCatalogue(runtime.pool, controller, changed);
    await runtime.change(person, 2, [ads, mail], { lanes: ['changes'] });
    await waitFor(
      () => revoked.some(({ subjectKey, allowed }) => subjectKey === person.subjectKey && allowed.join() === 'mail'),
      { what: 'the revocation of ads' },
    );
  });

  test('somebody shared of whom no event spoke is looked up when the catalogue changes (DLV-7)', async () => {
    const person = planted();
    await runtime.pool.query(
      `INSERT INTO delivery (controller, recipient, subject_key, exposed) VALUES ($1, 'recipient-1', $2, '{mail}')`,
      [controller, person.subjectKey],
    );
    const before = runtime.comparisonsAsked;
    await runtime.keeper.open();
    expect(runtime.comparisonsAsked).toBe(before + 1);
  });

  test('on a hole the whole catalogue is taken from the consent service', async () => {
    runtime.document = { ...runtime.document, number: 27 };
    await runtime.keeper.receive(tp, [record(5n, { number: 26 })]);
    expect(runtime.keeper.number).toBe(27);
    expect(await storedPositions(runtime.pool, [tp])).toEqual(new Map([[`${topics.catalogue}:0`, 6n]]));
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
    await told(person, 'nothing-to-do@3');
    await comparisonMade(pool, (await comparisonOwed(pool)) ?? '');
    await runtime.change(person, 5, [ads, mail]);
    expect(await runtime.enforcements(person)).toEqual(['nothing-to-do@3']);
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
    expect(await runtime.enforcements(person)).not.toContain('nothing-to-do@3');
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
    const revocations = () => revoked.filter(({ subjectKey }) => subjectKey === person.subjectKey).length;
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
