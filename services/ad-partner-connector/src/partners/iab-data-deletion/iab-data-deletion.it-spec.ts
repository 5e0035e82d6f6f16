import { contractGround, type TestPerson } from '@entente/connector-runtime/testing';
import type { Fault } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId, type Identifiers } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { iabDataDeletion } from './definition.ts';

const [ads, measurement] = [purposeId('personalised-ads'), purposeId('measurement')];
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const revoke = 'deletion.request';

interface VendorState {
  readonly requested: boolean;
  readonly deleted: boolean;
}

/**
 * The shared suite begins with a share, and this framework has none: what a vendor holds it was given another way. So its
 * cases stand here, for people the recipient is preloaded with (DLV-6).
 */
describe('iab-data-deletion: the connector contract, without shares', () => {
  const identifiers = (name: string): Identifiers =>
    deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['iab-email']);
  const ground = contractGround({
    definition: iabDataDeletion,
    start: () =>
      partnerServerAndDatabase('iab-data-deletion', {
        vendor: 'vendor.example',
        requester: 'shop.example',
        requesterPublicKey: keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      }),
    settings: (url) => ({
      ...{ domain: 'vendor.example', issuer: 'shop.example', privateKey, keyId: 'k1' },
      discoveryUrl: `${url}/dsrdelete.json`,
    }),
    purposes: [ads, measurement],
    fields: {},
    identifiers,
    preloaded: true,
  });
  const { told, people } = ground;
  const { server, runtime } = ground;
  const planted = async (identifier?: string): Promise<TestPerson> => {
    const person = ground.planted(identifier === undefined ? identifiers : () => ({ 'iab-email': identifier }));
    await runtime().change(person, 1, [ads, measurement]);
    return person;
  };
  const stateOf = async (person: TestPerson): Promise<VendorState> =>
    (await server().state(person.identifiers['iab-email'] ?? '')) as VendorState;
  /** Withdraws everything under these faults; what the first attempt came to, once the vendor has acknowledged. */
  const firstAttempt = async (...faults: Fault[]): Promise<string | undefined> => {
    const person = await planted();
    await server().setFaults(...faults);
    await runtime().change(person, 2, []);
    await told(person, 'accepted@2');
    expect(await stateOf(person)).toMatchObject({ requested: true });
    return (await runtime().attempts(person))[0];
  };

  test('until the vendor’s dsrdelete.json can be read nothing is sent', async () => {
    expect(await firstAttempt({ kind: 'status', code: 503, match: 'resource.read', times: 1 })).toBe(
      'retry: discovery-unavailable',
    );
  });

  test('the framework knows no purposes: what falls away alone is answered by a deletion too', async () => {
    const person = await planted();
    await runtime().change(person, 2, [measurement]);
    await told(person, 'accepted@2');
    expect(await stateOf(person)).toMatchObject({ requested: true });
  });

  test('an older grant that arrives late changes nothing; the same change twice is one acknowledgement (ORDER)', async () => {
    const person = await planted();
    await runtime().change(person, 3, [], { lanes: ['revocations', 'changes', 'revocations'] });
    await told(person, 'accepted@3');
    await runtime().change(person, 2, [ads, measurement], { lanes: ['changes'], gate: false });
    expect(await runtime().enforcements(person)).toEqual(['accepted@3']);
    expect(await runtime().row(person)).toMatchObject({ version: 3, state: 'settled', desired: [] });
  });

  test.each<[string, Fault, RegExp]>([
    ['no acknowledgement at all', { kind: 'lie', match: revoke, times: 1 }, /^unclear: acknowledgement-missing/],
    [
      'one of another key',
      { kind: 'lie', how: 'forged', match: revoke, times: 1 },
      /^unclear: acknowledgement-not-verified/,
    ],
    [
      'one of another request',
      { kind: 'lie', how: 'other-request', match: revoke, times: 1 },
      /^unclear: acknowledgement-not/,
    ],
    [
      'one in another name',
      { kind: 'lie', how: 'other-issuer', match: revoke, times: 1 },
      /^unclear: acknowledgement-not/,
    ],
    ['a page', { kind: 'html', match: revoke, times: 1 }, /^unclear: acknowledgement-missing/],
    ['half an answer', { kind: 'malformed', match: revoke, times: 1 }, /^unclear: acknowledgement-missing/],
    ['nothing at all', { kind: 'empty', match: revoke, times: 1 }, /^unclear: acknowledgement-missing/],
    ['one of another type', { kind: 'wrongTypes', match: revoke, times: 1 }, /^unclear: acknowledgement-missing/],
    ['none, for it is lost', { kind: 'loseAnswer', match: revoke, times: 1 }, /^unclear: no-answer/],
    ['none in time', { kind: 'slow', ms: 3_000, match: revoke, times: 1 }, /^unclear: no-answer/],
    ['a request for silence', { kind: 'throttle', retryAfterMs: 0, match: revoke, times: 1 }, /^retry: throttled/],
    ['an error of its own', { kind: 'status', code: 503, match: revoke, times: 1 }, /^retry: status-503/],
  ])('ACK-TRUTH: %s is not accepted, a signed acknowledgement is', async (_, fault, expected) => {
    expect(await firstAttempt(fault)).toMatch(expected);
  });

  test('an acknowledgement under a key the vendor has just published is taken, in the same attempt', async () => {
    expect(await firstAttempt({ kind: 'lie', how: 'rotated', match: revoke, times: 1 })).toBe('applied');
  });

  test.each([
    ['a 202 whose acknowledgement refuses', { kind: 'lie', how: 'refused', match: revoke }, 'identifier-not-supported'],
    ['a refusal that acknowledges another request', { kind: 'authExpired', match: revoke }, 'status-400'],
  ] as const)('%s parks with its reason; after the replay it is accepted', async (_, fault, reason) => {
    const person = await planted();
    await server().setFaults(fault);
    await runtime().change(person, 2, []);
    await told(person, 'parked@2');
    expect((await runtime().row(person))?.reason).toBe(reason);
    await server().clearFaults();
    await runtime().replayParked();
    await told(person, 'accepted@2');
  });

  test('one bad identifier never blocks another person', async () => {
    const [bad, good] = [await planted('someone, not hashed'), await planted()];
    await runtime().change(bad, 2, []);
    await runtime().change(good, 2, []);
    await told(good, 'accepted@2');
    await told(bad, 'parked@2');
    expect((await runtime().row(bad))?.reason).toBe('invalid-identifier');
  });

  test('a share is refused by name, and the vendor hears nothing', async () => {
    const before = (await server().journal()).length;
    expect(await runtime().share(await planted(), ads)).toEqual({ outcome: 'failed', reason: 'no-share-call' });
    expect((await server().journal()).length).toBe(before);
  });

  test('a withdrawal is acknowledged by the vendor, whose deletion follows in its own time; a clock that is a day off is named', async () => {
    const person = await planted();
    await runtime().change(person, 2, []);
    await told(person, 'accepted@2');
    expect((await runtime().row(person))?.reference).toMatch(/^[0-9a-f-]{36}$/);
    expect(await stateOf(person)).toMatchObject({ requested: true, deleted: false });
    await server().advanceClock(86_400_000);
    expect(await stateOf(person)).toMatchObject({ deleted: true });
    const another = await planted();
    await runtime().change(another, 2, []);
    await told(another, 'parked@2');
    expect((await runtime().row(another))?.reason).toBe('timestamp-rejected');
  });

  test('redaction: no identifier and no secret in any log line', () => {
    const all = runtime().logged.join('\n');
    const secrets = privateKey.split('\n').filter((line) => line.length > 40);
    expect(people.length).toBeGreaterThan(5);
    for (const each of [...secrets, ...people.flatMap((person) => Object.values(person.identifiers))])
      expect(all).not.toContain(each);
  });
});
