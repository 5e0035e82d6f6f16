import { purposeId, type KeyRing, seal } from '@entente/contracts';
import { createLogger } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { definePartner } from '../partner/definition.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { controller, newPerson, type TestPerson } from '../testing/test-people.ts';
import { IdentifierSource } from './identifier-source.ts';
import { IdentifierVault } from './identifier-vault.ts';

const mail = purposeId('mail');

class MemorySettings {
  readonly remembers = true;
}

/** Addresses the partner was told to revoke. */
const revoked: (string | undefined)[] = [];
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
    revoked.push(...batch.flatMap(({ identifiers }) => identifiers.map(({ email }) => email)));
    return Promise.resolve(batch.map(() => ({ kind: 'applied' })));
  },
});

let database: TestDatabase;
let runtime: RuntimeUnderTest;

beforeAll(async () => {
  database = await testDatabase('hidden-identifiers');
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
  await runtime.stop();
  await database.drop();
});

/** Shared under an address that nobody can read any more, then under the one of every later event. */
const withHiddenAddress = async (): Promise<{ person: TestPerson; hidden: TestPerson }> => {
  const person = newPerson((name) => ({ email: `${name}@example.org` }));
  const hidden = { ...person, identifiers: { email: `former-${person.identifiers.email ?? ''}` } };
  await runtime.change(person, 1, [mail]);
  expect(await runtime.share(hidden, mail)).toEqual({ outcome: 'sent' });
  // As after the loss of the storage key it was sealed under.
  await runtime.pool.query(`UPDATE exposure SET sealed = 'x' WHERE subject_key = $1`, [person.subjectKey]);
  expect(await runtime.share(person, mail)).toEqual({ outcome: 'sent' });
  return { person, hidden };
};
const told = (person: TestPerson, enforcement: string) =>
  waitFor(async () => (await runtime.enforcements(person)).includes(enforcement), {
    what: enforcement,
    timeoutMs: 15_000,
  });

describe('ACK-TRUTH, DLV-4: one of several recorded sets of identifiers cannot be opened', () => {
  test('the revocation parks, though the others can be', async () => {
    const { person } = await withHiddenAddress();
    await runtime.knownToConsent(person);
    await runtime.change(person, 2, []);
    await told(person, 'parked@2');
    expect(await runtime.row(person)).toMatchObject({ state: 'parked', reason: 'missing-identifier' });
    expect(await runtime.enforcements(person)).not.toContain('accepted@2');
    expect(revoked).toContain(person.identifiers.email);
  });

  test('it is accepted for all of them when the consent service still knows exactly the hidden one', async () => {
    const { person, hidden } = await withHiddenAddress();
    await runtime.knownToConsent(hidden);
    await runtime.change(person, 2, []);
    await told(person, 'accepted@2');
    expect(revoked).toEqual(expect.arrayContaining([person.identifiers.email, hidden.identifiers.email]));
  });

  const ring = (kid: string): KeyRing => [{ kid, key: new Uint8Array(randomBytes(32)) }];
  const log = createLogger({ service: 'test', level: 'silent' });

  test('DLV-4: after the loss of every storage key the consent service is asked, and its answer is known for the set', async () => {
    const person = newPerson((name) => ({ email: `${name}@example.org` }));
    const audience = ring('a1');
    const lost = new IdentifierVault(ring('s1'), audience);
    const vault = new IdentifierVault(ring('s2'), audience);
    const { register, recipient, pool } = runtime;
    const { subjectKey, identifiers } = person;
    const [digest, sealed] = [lost.digest(identifiers), await lost.store(identifiers)];
    await register.record(recipient.id, [{ subjectKey, purpose: mail, digest, sealed, version: 1, lifted: true }], 1);
    const answer = await seal(audience, identifiers);
    const consent = { sealed: () => Promise.resolve(new Map([[subjectKey, answer]])) };
    const source = new IdentifierSource({ pool, controller, vault, consent, log });
    const known = await source.of(recipient.id, [{ subjectKey, eventSealed: null }], ['email']);
    expect(known.get(subjectKey)).toEqual({ kind: 'known', sets: [identifiers] });
  });

  test.each([
    ['unreachable', () => Promise.reject(new Error('the consent service is away'))],
    ['lacking', () => Promise.resolve(new Map())],
  ] as const)('under a new storage key the person is %s, whatever else is known', async (kind, sealed) => {
    const person = newPerson((name) => ({ email: `${name}@example.org` }));
    const audience = ring('a1');
    const lost = new IdentifierVault(ring('s1'), audience);
    const vault = new IdentifierVault(ring('s2'), audience);
    const { register, recipient, pool } = runtime;
    const { subjectKey, identifiers } = person;
    for (const [by, set] of [
      [lost, { email: `former-${identifiers.email ?? ''}` }],
      [vault, identifiers],
    ] as const) {
      const [digest, sealed] = [by.digest(set), await by.store(set)];
      const exposure = { subjectKey, purpose: mail, digest, sealed, version: 1, lifted: true };
      await register.record(recipient.id, [exposure], 1);
    }
    const source = new IdentifierSource({ pool, controller, vault, consent: { sealed }, log });
    const known = await source.of(recipient.id, [{ subjectKey, eventSealed: null }], ['email']);
    expect(known.get(subjectKey)).toEqual({ kind, sets: [identifiers] });
  });
});
