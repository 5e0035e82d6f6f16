import { purposeId } from '@entente/contracts';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { definePartner, type ShareOutcome } from '../partner/definition.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { newPerson, type TestPerson } from '../testing/test-people.ts';

const mail = purposeId('mail');
const concurrency = 2;
const waitingShares = 50;

class MemorySettings {
  readonly remembers = true;
}

/** What the partner was asked, in order. */
const journal: string[] = [];
/** Shares at the partner, oldest first; each is answered when the test says so. */
const unanswered: (() => void)[] = [];
const partner = definePartner<MemorySettings>({
  partner: 'memory',
  kind: 'crm',
  settings: MemorySettings,
  identifiers: ['email'],
  limits: { shareBatch: 1, revokeBatch: 10, concurrency, calls: 100_000, perMs: 1_000 },
  documentedDelay: { en: 'none', fr: 'aucun' },
  shareBy: 'recipient',
  share: async (batch) => {
    journal.push('share');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    unanswered.push(() => resolve(undefined));
    await promise;
    return batch.map((): ShareOutcome => ({ kind: 'sent' }));
  },
  revoke: (batch) => {
    journal.push('revoke');
    return Promise.resolve(batch.map(() => ({ kind: 'applied' })));
  },
});

let database: TestDatabase;
let runtime: RuntimeUnderTest;
const planted = (): TestPerson => newPerson((name) => ({ email: `${name}@example.org` }));

const allAnswered = (): boolean => {
  for (const answer of unanswered.splice(0)) answer();
  return runtime.pipeline.load.open === 0;
};

beforeAll(async () => {
  database = await testDatabase('revocations-first');
  runtime = await RuntimeUnderTest.start({
    databaseUrl: database.url,
    definition: partner,
    settings: new MemorySettings(),
    purposes: [mail],
    fields: [],
  });
  runtime.revoker.start();
});
afterAll(async () => {
  const stopped = runtime.stop();
  await waitFor(allAnswered, { what: 'the end of the shares' });
  await stopped;
  await database.drop();
});

describe('DENY IS NEVER BLOCKED: shares that saturate a recipient', () => {
  test('a revocation waits for at most one running call', async () => {
    const person = planted();
    await runtime.change(person, 1, [mail]);
    const first = runtime.share(person, mail);
    await waitFor(() => unanswered.length === 1, { what: 'the first share' });
    unanswered.shift()?.();
    await first;
    for (let index = 0; index < waitingShares; index += 1) {
      const other = planted();
      await runtime.change(other, 1, [mail]);
      void runtime.share(other, mail);
    }
    await waitFor(() => unanswered.length === concurrency && runtime.pipeline.load.open === waitingShares, {
      what: 'saturation',
    });

    await runtime.change(person, 2, []);
    journal.length = 0;
    for (const due of [1, 2]) {
      // One call ends; whoever is next gets its slot.
      unanswered.shift()?.();
      await waitFor(() => journal.length >= due, { what: 'the next call at the partner' });
    }
    // While it is being claimed from its row, one share may still take the slot that came free.
    expect(journal.slice(0, 2)).toContain('revoke');
  });
});

test('GATE-5: what waits for a partner that does not answer is denied as soon as the gate is, and after it at once', async () => {
  await waitFor(allAnswered, { what: 'the end of the shares before' });
  const [busy, waiting] = [planted(), planted()];
  for (const person of [busy, waiting]) await runtime.change(person, 1, [mail]);
  for (let index = 0; index < 10; index += 1) void runtime.share(busy, mail);
  await waitFor(() => unanswered.length === concurrency, { what: 'saturation' });
  const share = runtime.share(waiting, mail);
  await runtime.change(waiting, 2, []);
  expect(await share).toEqual({ outcome: 'denied', reason: 'not-granted' });
  expect(await runtime.share(waiting, mail)).toEqual({ outcome: 'denied', reason: 'not-granted' });
  expect(unanswered).toHaveLength(concurrency);
});

test('turns (ADR 38): an acceptance counts for its person though a newer choice has overtaken it, not while a share is on its way', async () => {
  await runtime.revoker.stop(1_000);
  const person = planted();
  const { subjectKey } = person;
  const { claims, register, recipient, pool } = runtime;
  const ended = async (meanwhile: () => Promise<void>): Promise<boolean> => {
    const claim = await claims.take(recipient.id, 10, 10_000);
    if (claim === null) throw new Error('nothing is due');
    await meanwhile();
    const attempts = claim.rows.map((row) => ({ row, outcome: { kind: 'applied' } as const, sent: true }));
    return (await claims.settle(claim, attempts)).includes(subjectKey);
  };
  await runtime.change(person, 1, [mail]);
  const exposure = { subjectKey, purpose: mail, digest: 'd', sealed: 's', version: 1, lifted: true };
  await register.record(recipient.id, [exposure], 60_000);
  await runtime.change(person, 2, []);
  expect(await ended(() => Promise.resolve())).toBe(false);
  await pool.query(
    'UPDATE delivery SET in_flight_until = clock_timestamp(), next_attempt_at = clock_timestamp() WHERE subject_key = $1',
    [subjectKey],
  );
  expect(await ended(() => runtime.erase(person, 3))).toBe(true);
  expect(await ended(() => Promise.resolve())).toBe(true);
});
