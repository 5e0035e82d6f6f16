import { purposeId } from '@entente/contracts';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { definePartner, type Confirmation, type ConfirmationOutcome, type Erasure } from '../partner/definition.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { newPerson, type TestPerson } from '../testing/test-people.ts';

const [ads, mail] = [purposeId('ads'), purposeId('mail')];

class MemorySettings {
  readonly remembers = true;
}

/** What the partner was asked, and what it answers by default and to each person. */
const asked: Confirmation[] = [];
const erased: Erasure[] = [];
let answer: (confirmation: Confirmation) => ConfirmationOutcome;
let jobs = 0;

const partner = definePartner<MemorySettings>({
  partner: 'memory',
  kind: 'crm',
  settings: MemorySettings,
  identifiers: ['email'],
  limits: { shareBatch: 10, revokeBatch: 10, concurrency: 4, calls: 1_000, perMs: 1_000 },
  documentedDelay: { en: 'a while', fr: 'un moment' },
  shareBy: 'recipient',
  share: (batch) => Promise.resolve(batch.map(() => ({ kind: 'sent' }))),
  revoke: (batch) => Promise.resolve(batch.map(() => ({ kind: 'applied', reference: `job-${(jobs += 1)}` }))),
  confirm: (batch) => {
    asked.push(...batch);
    return Promise.resolve(batch.map((confirmation) => answer(confirmation)));
  },
  erase: (batch) => {
    erased.push(...batch);
    return Promise.resolve(batch.map(() => ({ kind: 'applied', reference: `job-${(jobs += 1)}` })));
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
const told = (person: TestPerson, enforcement: string, times = 1): Promise<unknown> =>
  waitFor(async () => (await runtime.enforcements(person)).filter((each) => each === enforcement).length >= times, {
    what: `${times} × ${enforcement}`,
    timeoutMs: 20_000,
  });
const asksAbout = (person: TestPerson): Confirmation[] =>
  asked.filter(({ subjectKey }) => subjectKey === person.subjectKey);
const ended = (person: TestPerson, state: string): Promise<unknown> =>
  waitFor(async () => (await runtime.question(person))?.state === state, { what: `a question that is ${state}` });

beforeAll(async () => {
  database = await testDatabase('connector-confirm');
  runtime = await RuntimeUnderTest.start({
    databaseUrl: database.url,
    definition: partner,
    settings: new MemorySettings(),
    purposes: [ads, mail],
    fields: [],
    confirmPolicy: { againMs: 20, maxContradictions: 3, giveUpAfterMs: 1_000 },
  });
  runtime.revoker.start();
  runtime.confirmer.start();
});
beforeEach(() => {
  answer = () => ({ kind: 'confirmed' });
});
afterAll(async () => {
  await runtime.stop();
  await database.drop();
});

describe('accepted and confirmed are two facts', () => {
  test('an accepted revocation is asked for until the partner shows its effect', async () => {
    const person = await sharedPerson();
    answer = ({ subjectKey }) =>
      subjectKey === person.subjectKey && asksAbout(person).length >= 3 ? { kind: 'confirmed' } : { kind: 'pending' };
    await runtime.change(person, 2, [mail]);
    await told(person, 'confirmed@2');
    expect(await runtime.enforcements(person)).toEqual(['accepted@2', 'confirmed@2']);
    expect(asksAbout(person)[0]).toMatchObject({
      reference: expect.stringMatching(/^job-/),
      identifiers: [person.identifiers],
      allowed: [mail],
      recipientPurposes: [ads, mail],
    });
    expect(await runtime.question(person)).toMatchObject({ state: 'confirmed', asks: 3, sealed: [] });
  });

  test.each([
    ['retry', { kind: 'retry', why: 'status-503' }],
    ['refused', { kind: 'refused', why: 'authentication' }],
    ['unclear', { kind: 'unclear', why: 'no-answer' }],
    ['pending', { kind: 'pending' }],
  ] as const)(
    'ACK-TRUTH: %s is no confirmation; in the end it is given up, recorded as such',
    async (_kind, outcome) => {
      const person = await sharedPerson();
      answer = () => outcome;
      await runtime.change(person, 2, []);
      await ended(person, 'given-up');
      expect(await runtime.enforcements(person)).toEqual(['accepted@2']);
      expect(asksAbout(person).length).toBeGreaterThan(1);
      const metrics = await runtime.metrics.text();
      expect(metrics).toMatch(/consent_confirmations_given_up_total\{connector="recipient-1"\} [1-9]/);
    },
  );

  test('the partner’s own wish for the next question is heeded', async () => {
    const person = await sharedPerson();
    answer = () => ({ kind: 'pending', afterMs: 3_600_000 });
    await runtime.change(person, 2, []);
    await waitFor(() => asksAbout(person).length === 1, { what: 'the first question' });
    await waitFor(
      async () => {
        const { rows } = await runtime.pool.query<{ far: boolean }>(
          `SELECT next_ask_at > clock_timestamp() + interval '59 min' AS far FROM confirmation WHERE subject_key = $1`,
          [person.subjectKey],
        );
        return rows[0]?.far === true;
      },
      { what: 'the next question an hour from now' },
    );
  });

  test('failed: the revocation is due again, the tracker is told, and it is accepted anew', async () => {
    const person = await sharedPerson();
    let failures = 0;
    answer = () => ((failures += 1) === 1 ? { kind: 'failed', why: 'job-failed' } : { kind: 'confirmed' });
    await runtime.change(person, 2, []);
    await told(person, 'confirmed@2');
    expect(await runtime.enforcements(person)).toEqual(['accepted@2', 'waiting@2', 'accepted@2', 'confirmed@2']);
    const attempts = await runtime.attempts(person);
    expect(new Set(attempts)).toEqual(new Set(['applied']));
    // DLV-3: and once more where the window of the share was still open when the first began.
    expect([2, 3]).toContain(attempts.length);
  });

  test('a partner that breaks its word again and again is parked for a person to look', async () => {
    const person = await sharedPerson();
    answer = () => ({ kind: 'failed', why: 'job-failed' });
    await runtime.change(person, 2, []);
    await told(person, 'parked@2');
    expect(await runtime.row(person)).toMatchObject({ state: 'parked', reason: 'acceptance-not-kept' });
    expect((await runtime.enforcements(person)).filter((each) => each === 'accepted@2')).toHaveLength(3);
  });

  test('a newer revocation takes the question’s place; the older one is not asked any more', async () => {
    const person = await sharedPerson();
    answer = () => ({ kind: 'pending' });
    await runtime.change(person, 2, [mail]);
    await waitFor(() => asksAbout(person).length > 0, { what: 'a question' });
    answer = ({ allowed }) => (allowed.length === 0 ? { kind: 'confirmed' } : { kind: 'pending' });
    await runtime.change(person, 3, []);
    await told(person, 'confirmed@3');
    expect(await runtime.enforcements(person)).toEqual(['accepted@2', 'accepted@3', 'confirmed@3']);
  });

  test('a revocation beside what is granted again and not shared yet is asked about as well', async () => {
    const person = await sharedPerson();
    await runtime.change(person, 2, []);
    await told(person, 'confirmed@2');
    await runtime.change(person, 3, [ads, mail]);
    expect(await runtime.share(person, ads)).toEqual({ outcome: 'sent' });
    await runtime.change(person, 4, [mail]);
    await told(person, 'confirmed@4');
    expect(asksAbout(person).at(-1)).toMatchObject({ allowed: [mail] });
  });

  test('a grant of what was revoked closes the question', async () => {
    const person = await sharedPerson();
    answer = () => ({ kind: 'pending' });
    await runtime.change(person, 2, []);
    await waitFor(() => asksAbout(person).length > 0, { what: 'a question' });
    await runtime.change(person, 3, [ads, mail]);
    await ended(person, 'closed');
    expect(await runtime.enforcements(person)).toEqual(['accepted@2']);
  });

  test('killed between answer and commit: asked again, and confirmed once', async () => {
    const person = await sharedPerson();
    await runtime.confirmer.stop();
    await runtime.change(person, 2, []);
    await told(person, 'accepted@2');
    const claim = await waitFor(
      async () => {
        const taken = await runtime.confirmations.take(runtime.recipient.id, 10, 300);
        return taken.questions.some(({ row }) => row.subjectKey === person.subjectKey) ? taken : undefined;
      },
      { what: 'a claim' },
    );
    // That worker is gone with its answer; when it comes back it finds its claim lost.
    runtime.restartConfirmer();
    await told(person, 'confirmed@2');
    const answers = claim.questions.map(({ row }) => ({ row, outcome: { kind: 'failed', why: 'late' } as const }));
    expect(await runtime.confirmations.settle(claim, answers)).toEqual([]);
    expect(await runtime.enforcements(person)).toEqual(['accepted@2', 'confirmed@2']);
  });
});

describe('REC-8: erasure', () => {
  const register = async (person: TestPerson): Promise<number> =>
    (await runtime.pool.query('SELECT 1 FROM exposure WHERE subject_key = $1', [person.subjectKey])).rowCount ?? 0;

  test('G-8 the partner deletes the person; once accepted, nothing but the fence stays here', async () => {
    const person = await sharedPerson();
    expect(await register(person)).toBe(2);
    await runtime.erase(person, 2);
    await told(person, 'confirmed@2');
    const mine = erased.filter(({ subjectKey }) => subjectKey === person.subjectKey);
    expect(mine.length).toBeGreaterThan(0);
    // DLV-3: with a window of exposure open when it began, it is asked for again, in the same words.
    for (const { version, identifiers } of mine)
      expect({ version, identifiers }).toEqual({ version: 2, identifiers: [person.identifiers] });
    expect(asksAbout(person)).toMatchObject([{ erasure: true, allowed: [] }]);
    expect(await register(person)).toBe(0);
    expect(await runtime.row(person)).toMatchObject({
      ...{ version: 2, state: 'settled', appliedVersion: 2, exposed: [], eventSealed: null, wiped: true },
    });
    expect(await runtime.question(person)).toMatchObject({ state: 'confirmed', sealed: [] });
  });

  test('DLV-5: a grant does not take the place of an erasure that waits', async () => {
    const person = await sharedPerson();
    await runtime.revoker.stop(1_000);
    await runtime.erase(person, 2);
    await runtime.change(person, 3, [ads, mail]);
    runtime.restartRevoker();
    await told(person, 'accepted@2');
    expect(erased.filter(({ subjectKey }) => subjectKey === person.subjectKey)).toHaveLength(1);
    expect(await runtime.share(person, mail)).toEqual({ outcome: 'sent' });
    expect(await register(person)).toBe(1);
  });

  test('an erasure the partner does not carry out is repeated with the identifiers of the question', async () => {
    const person = await sharedPerson();
    let failures = 0;
    answer = () => ((failures += 1) === 1 ? { kind: 'failed', why: 'job-failed' } : { kind: 'confirmed' });
    await runtime.erase(person, 2);
    await told(person, 'confirmed@2');
    const mine = erased.filter(({ subjectKey }) => subjectKey === person.subjectKey);
    // And once more where a window of exposure was open when it began (DLV-3).
    expect(mine.length).toBeGreaterThanOrEqual(2);
    for (const { identifiers } of mine) expect(identifiers).toEqual([person.identifiers]);
    expect(await runtime.question(person)).toMatchObject({ state: 'confirmed', sealed: [] });
  });

  test('DLV-6: somebody never shared is fenced, and what the event brought of them goes', async () => {
    const person = planted();
    await runtime.change(person, 1, [mail]);
    await runtime.erase(person, 2);
    expect(await runtime.enforcements(person)).toEqual(['never-shared@2']);
    expect(await runtime.row(person)).toMatchObject({ state: 'settled', eventSealed: null, wiped: true });
  });
});
