import { contractGround, type TestPerson } from '@entente/connector-runtime/testing';
import type { Fault } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId, type Identifiers, type PurposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { metaConversions } from './definition.ts';

const [ads, measurement] = [purposeId('personalised-ads'), purposeId('measurement')];
const [token, appSecret] = ['meta-secret-token', 'meta-app-secret'];
const revoke = 'users.removeFromAny';
const audience = '23840000000000001';

interface MetaState {
  readonly audiences: readonly string[];
  readonly events?: readonly { readonly name: string; readonly limited: boolean }[];
}

/**
 * The shared suite asks whether a partner stopped serving one purpose and kept another; events that were sent cannot be asked
 * about. So its cases stand here, for what can be: which events arrived, and who is in the account's lists.
 */
describe('meta-conversions: the connector contract, for events', () => {
  const identifiers = (name: string): Identifiers =>
    deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['meta-email', 'meta-phone']);
  const ground = contractGround({
    definition: metaConversions,
    start: () =>
      partnerServerAndDatabase('meta', {
        ...{ token, appSecret, pixel: '123', account: '77', audiences: [audience] },
      }),
    settings: (url) => ({
      ...{ baseUrl: url, token, appSecret, pixelId: '123', optOutAccount: '77' },
      limitedWithout: 'personalised-ads',
    }),
    purposes: [ads, measurement],
    fields: { event: 'Purchase', eventTime: '', value: 12 },
    identifiers,
  });
  const { server, runtime, told, people } = ground;
  const agreed = async (allowed: PurposeId[] = [ads, measurement], email?: string): Promise<TestPerson> => {
    const person = ground.planted(email === undefined ? identifiers : () => ({ 'meta-email': email }));
    await runtime().change(person, 1, allowed);
    return person;
  };
  const share = (person: TestPerson, purpose: PurposeId, more: object = {}) =>
    runtime().share(person, purpose, { event: 'Purchase', value: 12, ...more });
  const stateOf = async (person: TestPerson): Promise<MetaState> =>
    (await server().state(person.identifiers['meta-email'] ?? '')) as MetaState;
  const sent = { outcome: 'sent' };

  test('an event goes out while it is allowed, and none after the withdrawal, which is accepted for the lists', async () => {
    const person = await agreed();
    expect(await share(person, ads)).toEqual(sent);
    expect((await stateOf(person)).events).toMatchObject([{ name: 'Purchase', limited: false }]);
    await runtime().change(person, 2, []);
    expect(await share(person, ads)).toMatchObject({ outcome: 'denied' });
    await told(person, 'accepted@2');
    expect((await stateOf(person)).events).toHaveLength(1);
  });

  test('a person in the account’s lists leaves all of them', async () => {
    const person = await agreed();
    const payload = { schema: 'EMAIL_SHA256', data: [person.identifiers['meta-email']] };
    expect(await share(person, ads)).toEqual(sent);
    const time = Math.floor(Date.now() / 1_000);
    const proof = createHmac('sha256', appSecret).update(`${token}|${time}`).digest('hex');
    const added = await fetch(`${server().url}/v25.0/${audience}/users`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ payload, appsecret_proof: proof, appsecret_time: time }),
    });
    expect(added.status).toBe(200);
    expect((await stateOf(person)).audiences).toEqual([audience]);
    await runtime().change(person, 2, [measurement]);
    await told(person, 'accepted@2');
    expect((await stateOf(person)).audiences).toEqual([]);
  });

  test('Limited Data Use: the events of what stays allowed carry it once advertising has been withdrawn', async () => {
    const person = await agreed();
    expect(await share(person, measurement, { event: 'Before' })).toEqual(sent);
    await runtime().change(person, 2, [measurement]);
    await told(person, 'accepted@2');
    expect(await share(person, measurement, { event: 'After' })).toEqual(sent);
    expect((await stateOf(person)).events).toMatchObject([
      { name: 'Before', limited: false },
      { name: 'After', limited: true },
    ]);
  });

  test('one invalid event rejects its batch: it is found by halves and named, and the others arrive', async () => {
    const [good, plain, old, other] = [
      await agreed(),
      await agreed([ads], 'someone, not hashed'),
      await agreed(),
      await agreed(),
    ];
    const outcomes = await Promise.all([
      share(good, ads),
      share(plain, ads),
      share(old, ads, { eventTime: '2020-01-01T00:00:00Z' }),
      share(other, measurement),
    ]);
    expect(outcomes).toEqual([
      sent,
      { outcome: 'failed', reason: 'invalid-identifier' },
      { outcome: 'failed', reason: 'event-too-old' },
      sent,
    ]);
    expect((await stateOf(good)).events).toHaveLength(1);
  });

  test.each<[string, Fault]>([
    ['fewer received than sent', { kind: 'lie', match: 'events.send', times: 1 }],
    ['a lost answer', { kind: 'loseAnswer', match: 'events.send', times: 1 }],
    ['a page', { kind: 'html', match: 'events.send', times: 1 }],
    ['nothing at all', { kind: 'empty', match: 'events.send', times: 1 }],
    ['members of other types', { kind: 'wrongTypes', match: 'events.send', times: 1 }],
    ['throttling', { kind: 'throttle', retryAfterMs: 0, match: 'events.send', times: 1 }],
  ])('%s: the event is sent again, and counts once', async (_, fault) => {
    const person = await agreed();
    await server().setFaults(fault);
    expect(await share(person, ads)).toEqual(sent);
    expect((await stateOf(person)).events).toHaveLength(1);
  });

  test.each<[string, Fault, RegExp]>([
    ['every entry invalid', { kind: 'lie', match: revoke, times: 1 }, /^retry: invalid-entries/],
    ['a page', { kind: 'html', match: revoke, times: 1 }, /^unclear/],
    ['half an answer', { kind: 'malformed', match: revoke, times: 1 }, /^unclear/],
    ['nothing at all', { kind: 'empty', match: revoke, times: 1 }, /^unclear/],
    ['members of other types', { kind: 'wrongTypes', match: revoke, times: 1 }, /^unclear/],
    ['a lost answer', { kind: 'loseAnswer', match: revoke, times: 1 }, /^unclear: no-answer/],
    ['throttling', { kind: 'throttle', retryAfterMs: 0, match: revoke, times: 1 }, /^retry: throttled/],
  ])('ACK-TRUTH: %s is no acceptance of a withdrawal', async (_, fault, expected) => {
    const person = await agreed();
    expect(await share(person, ads)).toEqual(sent);
    await server().setFaults(fault);
    await runtime().change(person, 2, []);
    await told(person, 'accepted@2');
    expect((await runtime().attempts(person))[0]).toMatch(expected);
  });

  test('expired credentials park with their reason; after the replay it is accepted', async () => {
    const person = await agreed();
    expect(await share(person, ads)).toEqual(sent);
    await server().setFaults({ kind: 'authExpired', match: revoke });
    await runtime().change(person, 2, []);
    await told(person, 'parked@2');
    expect((await runtime().row(person))?.reason).toBe('authentication');
    await server().clearFaults();
    await runtime().replayParked();
    await told(person, 'accepted@2');
  });

  test('redaction: no identifier and no secret in any log line', () => {
    const all = runtime().logged.join('\n');
    expect(people.length).toBeGreaterThan(5);
    for (const each of [token, appSecret, ...people.flatMap((person) => Object.values(person.identifiers))])
      expect(all).not.toContain(each);
  });
});
