import { topics, type CatalogueChanged, type SnapshotLine } from '@entente/contracts';
import type { InRecord } from '@entente/kafka';
import { createLogger, systemClock } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { storeCatalogue } from '../store/catalogue-store.ts';
import { storedPositions } from '../store/log-positions.ts';
import { ads, mail, MemoryRecipient } from '../testing/memory-recipient.ts';
import type { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { controller, type TestPerson } from '../testing/test-people.ts';
import { Reconciler } from './reconciler.ts';

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
  database = await testDatabase('connector-receive');
  recipient = await MemoryRecipient.start(database.url);
  ({ runtime } = recipient);
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
    const told_ = recipient.revoked.findLast(({ subjectKey }) => subjectKey === person.subjectKey);
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
    expect(recipient.revoked.findLast(({ subjectKey }) => subjectKey === withdrawn.subjectKey)?.allowed).toEqual([ads]);
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
      () =>
        recipient.revoked.some(
          ({ subjectKey, allowed }) => subjectKey === person.subjectKey && allowed.join() === 'mail',
        ),
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
      () =>
        recipient.revoked.some(
          ({ subjectKey, allowed }) => subjectKey === person.subjectKey && allowed.join() === 'mail',
        ),
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
