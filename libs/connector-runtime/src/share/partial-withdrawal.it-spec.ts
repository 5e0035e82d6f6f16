import { purposeId } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { definePartner, type ShareOutcome } from '../partner/definition.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { storeCatalogue } from '../store/catalogue-store.ts';
import { anyDueSql } from '../store/delivery-rows.ts';
import { controller, newPerson, type TestPerson } from '../testing/test-people.ts';

const mail = purposeId('mail');
const ads = purposeId('ads');

class MemorySettings {
  readonly remembers = true;
}

/** What the partner saw, in order. */
const journal: string[] = [];
/** What each revocation left to stay. */
const stayed: (readonly string[])[] = [];
/** Shares on their way: each reaches the partner when the test says so. */
const onTheirWay: (() => void)[] = [];
const partner = definePartner<MemorySettings>({
  partner: 'memory',
  kind: 'crm',
  settings: MemorySettings,
  identifiers: ['email'],
  limits: { shareBatch: 1, revokeBatch: 10, concurrency: 5, calls: 1_000, perMs: 1_000 },
  documentedDelay: { en: 'none', fr: 'aucun' },
  shareBy: 'recipient',
  share: async (batch) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onTheirWay.push(() => resolve(undefined));
    await promise;
    journal.push('share');
    return batch.map((): ShareOutcome => ({ kind: 'sent' }));
  },
  revoke: (batch) => {
    journal.push('revoke');
    stayed.push(...batch.map(({ allowed, stopped }) => allowed.filter((purpose) => !stopped.includes(purpose))));
    return Promise.resolve(batch.map(() => ({ kind: 'applied' })));
  },
});

let database: TestDatabase;
let runtime: RuntimeUnderTest;

beforeAll(async () => {
  database = await testDatabase('partial-withdrawal');
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
  for (const arrive of onTheirWay.splice(0)) arrive();
  await runtime.stop();
  await database.drop();
});

const arriveAll = (): void => {
  for (const arrive of onTheirWay.splice(0)) arrive();
};
const windowOpen = async (person: TestPerson): Promise<boolean> =>
  ((await runtime.row(person))?.inFlightUntil ?? 0) > systemClock.now();

describe('ACK-TRUTH, DLV-3: the withdrawal of one purpose while shares of another go on', () => {
  test('a share of the purpose that stays is inside an open window, and the next revocation goes out again after it', async () => {
    const person = newPerson((name) => ({ email: `${name}@example.org` }));
    await runtime.change(person, 1, [ads, mail]);
    const first = [runtime.share(person, mail)];
    await waitFor(() => onTheirWay.length === 1, { what: 'the first share' });
    // The gate alone hears of it, as of a purpose that this recipient does not serve.
    await runtime.change(person, 2, [mail], { lanes: [] });
    first.push(runtime.share(person, mail));
    await waitFor(() => onTheirWay.length === 2, { what: 'the second share' });
    arriveAll();
    expect(await Promise.all(first)).toEqual([{ outcome: 'sent' }, { outcome: 'sent' }]);
    await waitFor(async () => !(await windowOpen(person)), { what: 'the end of the window', timeoutMs: 5_000 });

    journal.length = 0;
    const late = runtime.share(person, mail);
    await waitFor(() => onTheirWay.length === 1, { what: 'the late share' });
    expect(await windowOpen(person)).toBe(true);
    await runtime.change(person, 3, []);
    await waitFor(async () => (await runtime.attempts(person)).includes('applied'), { what: 'the first revocation' });
    expect(await runtime.enforcements(person)).not.toContain('accepted@3');
    arriveAll();
    await late;
    await waitFor(async () => (await runtime.enforcements(person)).includes('accepted@3'), { what: 'accepted' });
    expect(journal).toEqual(['revoke', 'share', 'revoke']);
  });

  test('closing a window that has landed leaves one open that a later share has written meanwhile', async () => {
    const person = newPerson((name) => ({ email: `${name}@example.org` }));
    const { register, recipient, pool } = runtime;
    const { subjectKey } = person;
    await runtime.change(person, 1, [ads, mail]);
    const recorded = async (): Promise<number> => {
      const exposure = { subjectKey, purpose: mail, digest: 'd', sealed: 's', version: 1, lifted: true };
      const [verdict] = await register.record(recipient.id, [exposure], 10_000);
      if (verdict?.kind !== 'recorded') throw new Error(`not recorded: ${verdict?.kind}`);
      return verdict.inFlightUntil;
    };
    const landed = await recorded();
    // As if the database's clock had been set back since.
    await pool.query(
      `UPDATE delivery SET in_flight_until = in_flight_until + interval '1 hour' WHERE subject_key = $1`,
      [subjectKey],
    );
    const aheadOfTime = landed + 3_600_000;
    const later = await recorded();
    expect(later).toBeGreaterThan(aheadOfTime);
    expect(await register.closeWindows(recipient.id, [{ subjectKey, inFlightUntil: aheadOfTime }])).toBe(false);
    expect(await windowOpen(person)).toBe(true);
    expect(await register.closeWindows(recipient.id, [{ subjectKey, inFlightUntil: later }])).toBe(true);
    expect(await windowOpen(person)).toBe(false);
  });
});

test('DLV-5: a revocation gives nothing back that was stopped before, granted again or not, until it is shared again', async () => {
  const person = newPerson((name) => ({ email: `${name}@example.org` }));
  const shared = async (purpose: typeof mail): Promise<void> => {
    const sent = runtime.share(person, purpose);
    await waitFor(() => onTheirWay.length === 1, { what: 'the share' });
    arriveAll();
    await sent;
    await waitFor(async () => !(await windowOpen(person)), { what: 'the end of the window', timeoutMs: 5_000 });
  };
  const revokedTo = async (version: number, stays: (typeof mail)[]): Promise<unknown> => {
    stayed.length = 0;
    await runtime.change(person, version, stays);
    const said = `accepted@${version}`;
    await waitFor(async () => (await runtime.enforcements(person)).includes(said), { what: said });
    return stayed.at(-1);
  };
  await runtime.change(person, 1, [ads, mail]);
  await shared(ads);
  await shared(mail);
  expect(await revokedTo(2, [])).toEqual([]);
  // Of a call that a byte of left; this partner is told without any.
  const { subjectKey } = person;
  await runtime.pool.query('UPDATE delivery SET revoked = $2 WHERE subject_key = $1', [subjectKey, [ads, mail]]);
  await runtime.change(person, 3, [ads, mail]);
  // The mail was granted again; nobody has told the partner, whom only a share or a resumption may tell, past the gate.
  expect(await revokedTo(4, [mail])).toEqual([]);
  await runtime.change(person, 5, [ads, mail]);
  await shared(mail);
  expect(await revokedTo(6, [mail])).toEqual([mail]);
});

test.each(['nothing else', 'a revocation that began and ended', 'one of the same version, for the catalogue'] as const)(
  'DLV-5: a partner that has resumed, and %s meanwhile: whoever was told last is believed',
  async (meanwhile) => {
    const person = newPerson((name) => ({ email: `${name}@example.org` }));
    const { register, recipient, vault, pool } = runtime;
    const { subjectKey } = person;
    const revoked = async () => (await runtime.row(person))?.revoked;
    const stands = [ads, mail];
    await runtime.change(person, 1, stands);
    // As after a revocation of both, and a new grant.
    await pool.query('UPDATE delivery SET revoked = $2 WHERE subject_key = $1', [subjectKey, stands]);
    const sealed = await vault.store(person.identifiers);
    const exposure = { subjectKey, purpose: mail, digest: 'd', sealed, version: 1, lifted: false };
    const [verdict] = await register.record(recipient.id, [exposure], 50);
    if (verdict?.kind !== 'recorded') throw new Error(`not recorded: ${verdict?.kind}`);
    const ended = meanwhile !== 'nothing else';
    if (meanwhile === 'a revocation that began and ended') {
      await runtime.change(person, 2, [ads]);
      await waitFor(async () => (await runtime.row(person))?.state === 'settled', { what: 'the revocation' });
    } else if (ended) await pool.query('UPDATE delivery SET desired = $2 WHERE subject_key = $1', [subjectKey, [ads]]);
    const { revokeVersion } = verdict;
    await register.reinstated(recipient.id, [{ subjectKey, purpose: mail, revokeVersion }]);
    expect(await revoked()).toEqual(ended ? stands : [ads]);
    const { rows } = await pool.query(
      `SELECT FROM outbox WHERE aggregateid = $1 AND payload::jsonb ->> 'direction' = 'grant'`,
      [subjectKey],
    );
    expect(rows).toHaveLength(ended ? 0 : 1);
  },
);

test('DLV-5: a stop is lifted for no grant that the row has not heard of', async () => {
  const person = newPerson((name) => ({ email: `${name}@example.org` }));
  const { register, recipient, vault, pool } = runtime;
  const { subjectKey } = person;
  await runtime.change(person, 1, [ads]);
  await pool.query('UPDATE delivery SET revoked = $2 WHERE subject_key = $1', [subjectKey, [mail]]);
  const sealed = await vault.store(person.identifiers);
  const intended = { subjectKey, purpose: mail, digest: 'd', sealed, version: 2, lifted: false };
  expect(await register.record(recipient.id, [intended], 50)).toEqual([{ kind: 'held', state: 'none' }]);
  await runtime.change(person, 2, [ads, mail]);
  expect(await register.record(recipient.id, [intended], 50)).toEqual([
    expect.objectContaining({ kind: 'recorded', revoked: [mail] }),
  ]);
});

test('DLV-2: a look for what is due reads what is due, whatever waits and whatever is settled', async () => {
  const { pool, recipient } = runtime;
  const waiting = 2_000;
  await pool.query(
    `INSERT INTO delivery (controller, recipient, subject_key, state, next_attempt_at)
     SELECT $1, $2, 'waits-' || n, 'waiting', clock_timestamp() + interval '1 hour' FROM generate_series(1, $3::integer) AS n`,
    [controller, recipient.id, waiting],
  );
  await pool.query('ANALYZE delivery');
  const plan = (
    await pool.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN ${anyDueSql}`.replace('$1', `'${controller}'`).replace('$2', `'${recipient.id}'`),
    )
  ).rows.map((row) => row['QUERY PLAN']);
  await pool.query(`DELETE FROM delivery WHERE subject_key LIKE 'waits-%'`);
  expect(plan.join('\n')).toMatch(/delivery_due[\s\S]*Index Cond: .*next_attempt_at <= statement_timestamp/);
});

test('DLV-5, NO-LOSS: what is shared again after a new grant is revoked again when the catalogue takes the purpose away', async () => {
  const person = newPerson((name) => ({ email: `${name}@example.org` }));
  const shared = async (): Promise<void> => {
    const share = runtime.share(person, mail);
    await waitFor(() => onTheirWay.length === 1, { what: 'the share' });
    arriveAll();
    expect(await share).toEqual({ outcome: 'sent' });
  };
  const acceptances = async () => (await runtime.attempts(person)).filter((outcome) => outcome === 'applied').length;
  const settled = async () => (await runtime.row(person))?.state === 'settled';
  await runtime.change(person, 1, [ads, mail]);
  await shared();
  await runtime.change(person, 2, [ads]);
  await waitFor(settled, { what: 'the first revocation' });
  // This partner is a function: no byte left, so nobody counts it as told to stop.
  await runtime.pool.query('UPDATE delivery SET revoked = $2 WHERE subject_key = $1', [person.subjectKey, [mail]]);
  await runtime.change(person, 3, [ads, mail]);
  await shared();
  const before = await acceptances();
  const { document } = runtime;
  const purposes = document.purposes.map((purpose) => (purpose.id === mail ? { ...purpose, active: false } : purpose));
  await storeCatalogue(runtime.pool, controller, { ...document, number: document.number + 1, purposes });
  await runtime.keeper.open();
  await waitFor(async () => (await acceptances()) > before && (await settled()), { what: 'the second revocation' });
});
