import { purposeId, type PurposeId } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { definePartner, type ReadBack } from '../partner/definition.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { newPerson, type TestPerson } from '../testing/test-people.ts';
import { ReconciliationSchedule } from './reconciliation-schedule.ts';

const [ads, mail] = [purposeId('ads'), purposeId('mail')];

class MemorySettings {
  readonly remembers = true;
}

/** What the partner serves, by e-mail; and whom it cannot be asked about. */
const served = new Map<string, Set<PurposeId>>();
const unreadable = new Set<string>();
const servedFor = (email = ''): Set<PurposeId> => served.get(email) ?? new Set();

const partner = definePartner<MemorySettings>({
  partner: 'memory',
  kind: 'crm',
  settings: MemorySettings,
  identifiers: ['email'],
  limits: { shareBatch: 10, revokeBatch: 2, concurrency: 4, calls: 1_000, perMs: 1_000 },
  documentedDelay: { en: 'none', fr: 'aucun' },
  shareBy: 'recipient',
  share: (batch) => Promise.resolve(batch.map(() => ({ kind: 'sent' }))),
  revoke: (batch) =>
    Promise.resolve(
      batch.map(({ identifiers, allowed }) => {
        for (const { email = '' } of identifiers) served.set(email, new Set(allowed));
        return { kind: 'applied' };
      }),
    ),
  readBack: (batch) =>
    Promise.resolve(
      batch.map(({ identifiers }): ReadBack => {
        const emails = identifiers.map(({ email = '' }) => email);
        if (emails.some((email) => unreadable.has(email))) return { kind: 'refused', why: 'status-404' };
        return { kind: 'read', served: emails.flatMap((email) => [...servedFor(email)]).sort() };
      }),
    ),
});

let database: TestDatabase;
let runtime: RuntimeUnderTest;
const planted = (): TestPerson => newPerson((name) => ({ email: `${name}@example.org` }));
const sharedPerson = async (): Promise<TestPerson> => {
  const person = planted();
  await runtime.change(person, 1, [ads, mail]);
  for (const purpose of [ads, mail]) {
    expect(await runtime.share(person, purpose)).toEqual({ outcome: 'sent' });
    const held = servedFor(person.identifiers.email);
    served.set(person.identifiers.email ?? '', held.add(purpose));
  }
  return person;
};
const told = (person: TestPerson, enforcement: string, times = 1): Promise<unknown> =>
  waitFor(async () => (await runtime.enforcements(person)).filter((each) => each === enforcement).length >= times, {
    what: `${times} × ${enforcement}`,
    timeoutMs: 20_000,
  });
/** The window of a share must have ended: until then nobody is judged. */
const landed = async (): Promise<void> => {
  await runtime.pool.query('UPDATE delivery SET in_flight_until = NULL');
};

beforeAll(async () => {
  database = await testDatabase('connector-compare');
  runtime = await RuntimeUnderTest.start({
    databaseUrl: database.url,
    definition: partner,
    settings: new MemorySettings(),
    purposes: [ads, mail],
    fields: [],
  });
  runtime.revoker.start();
});
afterAll(async () => {
  await runtime.stop();
  await database.drop();
});

describe('reconciliation', () => {
  test('extra is revoked again and told, missing and unreadable are reported, what agrees is not', async () => {
    const [same, extra, missing, blind, withdrawn] = [
      ...[await sharedPerson(), await sharedPerson(), await sharedPerson(), await sharedPerson()],
      await sharedPerson(),
    ] as [TestPerson, TestPerson, TestPerson, TestPerson, TestPerson];
    await runtime.change(extra, 2, [mail]);
    await runtime.change(withdrawn, 2, []);
    for (const person of [extra, withdrawn]) await told(person, 'accepted@2');
    // Their question is answered, so that nothing is taken for being under way.
    await runtime.pool.query(`UPDATE confirmation SET state = 'confirmed'`);
    // Somebody at the partner imports an old list.
    served.set(extra.identifiers.email ?? '', new Set([ads, mail]));
    served.set(missing.identifiers.email ?? '', new Set([mail]));
    unreadable.add(blind.identifiers.email ?? '');
    await landed();
    const report = await runtime.reconciled();
    expect(report).toMatchObject({
      state: 'done',
      counts: { checked: 5, extra: 1, repaired: 1, stale: 0, missing: 1, unreadable: 1 },
    });
    expect(report.findings).toEqual(
      expect.arrayContaining([
        { kind: 'extra', subjectKey: extra.subjectKey, purposes: [ads] },
        { kind: 'missing', subjectKey: missing.subjectKey, purposes: [ads] },
        { kind: 'unreadable', subjectKey: blind.subjectKey, purposes: [], reason: 'status-404' },
      ]),
    );
    await told(extra, 'accepted@2', 2);
    expect(await runtime.enforcements(extra)).toEqual(['accepted@2', 'waiting@2', 'accepted@2']);
    expect([...servedFor(extra.identifiers.email)]).toEqual([mail]);
    expect(await runtime.enforcements(missing)).toEqual([]);
    expect([...servedFor(missing.identifiers.email)]).toEqual([mail]);
    expect(await runtime.enforcements(same)).toEqual([]);
  });

  test('a revocation the partner has just accepted is stale, not extra: nobody is blamed for being slow', async () => {
    const person = await sharedPerson();
    await runtime.change(person, 2, []);
    await told(person, 'accepted@2');
    served.set(person.identifiers.email ?? '', new Set([ads]));
    await landed();
    const { findings } = await runtime.reconciled();
    expect(findings).toContainEqual({ kind: 'stale', subjectKey: person.subjectKey, purposes: [ads] });
    expect(await runtime.enforcements(person)).toEqual(['accepted@2']);
  });

  test('somebody about whom something is on its way is not judged', async () => {
    const person = await sharedPerson();
    await runtime.pool.query(
      `UPDATE delivery SET in_flight_until = clock_timestamp() + interval '1 hour' WHERE subject_key = $1`,
      [person.subjectKey],
    );
    served.set(person.identifiers.email ?? '', new Set());
    const { findings } = await runtime.reconciled();
    expect(findings.map(({ subjectKey }) => subjectKey)).not.toContain(person.subjectKey);
  });

  test('one run at a time, whatever the number of processes; a dead one is taken over', async () => {
    const { pool, reports, recipient } = runtime;
    const first = await reports.begin(recipient.id, 'operator');
    expect(await reports.begin(recipient.id, 'operator')).toBeNull();
    await pool.query(`UPDATE reconciliation SET lease_until = clock_timestamp() WHERE state = 'running'`);
    expect((await runtime.reconciled()).state).toBe('done');
    const { rows } = await pool.query('SELECT state, reason FROM reconciliation WHERE id = $1', [first]);
    expect(rows).toEqual([{ state: 'failed', reason: 'abandoned' }]);
  });

  test('the schedule compares who is due, and nobody else', async () => {
    const { recipient, comparison, reports, pool } = runtime;
    const log = { warn: () => undefined } as never;
    const comparisons = new Map([[recipient.id, comparison]]);
    const clock = systemClock;
    const schedule = new ReconciliationSchedule({ comparisons, reports, everyMs: 3_600_000, clock, log });
    const before = await reports.newest(recipient.id);
    await schedule.look();
    expect((await reports.newest(recipient.id))?.id).toBe(before?.id);
    await pool.query(`UPDATE reconciliation SET started_at = started_at - interval '61 min'`);
    await schedule.look();
    const after = await reports.newest(recipient.id);
    expect(after).toMatchObject({ askedBy: 'schedule', state: 'done' });
    expect(after?.id).not.toBe(before?.id);
    await schedule.stop();
  });
});

describe('a preloaded recipient', () => {
  let full: RuntimeUnderTest;
  let own: TestDatabase;
  beforeAll(async () => {
    own = await testDatabase('compare-preloaded');
    full = await RuntimeUnderTest.start({
      databaseUrl: own.url,
      definition: partner,
      settings: new MemorySettings(),
      purposes: [ads, mail],
      fields: [],
      preloaded: true,
    });
    full.revoker.start();
    full.confirmer.start();
  });
  afterAll(async () => {
    await full.stop();
    await own.drop();
  });

  test('DLV-6: who was never shared by us and is served against their word is found, and revoked again', async () => {
    const person = planted();
    await full.change(person, 1, [ads, mail]);
    await full.change(person, 2, [ads]);
    await waitFor(async () => (await full.enforcements(person)).includes('accepted@2'), { what: 'the acceptance' });
    // Its question has been answered; then somebody imports an old list.
    await waitFor(
      async () => {
        await full.questionDue(person);
        return (await full.enforcements(person)).includes('confirmed@2');
      },
      { what: 'the confirmation' },
    );
    served.set(person.identifiers.email ?? '', new Set([ads, mail]));
    const dry = await full.reconciled(true);
    expect(dry).toMatchObject({ dryRun: true, counts: { checked: 1, extra: 1, repaired: 1, missing: 0 } });
    expect(servedFor(person.identifiers.email).has(mail)).toBe(true);
    expect(await full.enforcements(person)).toEqual(['accepted@2', 'confirmed@2']);
    const { counts } = await full.reconciled();
    expect(counts).toMatchObject({ checked: 1, extra: 1, repaired: 1, missing: 0 });
    await waitFor(() => !servedFor(person.identifiers.email).has(mail), { what: 'the second revocation' });
  });
});
