import { connectorContract } from '@entente/connector-runtime/testing';
import { partnerServer, partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { advertising, analytics, erasureOf, revocationOf, shareOf } from '../../testing/direct-context.ts';
import { badRows, directGround } from '../../testing/direct-ground.ts';
import { ga4 } from './definition.ts';
import { Ga4Settings } from './settings.ts';

const clientEmail = 'entente@contract.iam.gserviceaccount.com';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const [analyticsSecret, advertisingSecret] = ['analytics-api-secret', 'advertising-api-secret'];
const properties = {
  'product-analytics': { propertyId: '111111', measurementId: 'G-ANALYTICS', apiSecret: analyticsSecret },
  advertising: {
    propertyId: '222222',
    measurementId: 'G-ADVERTISING',
    apiSecret: advertisingSecret,
    adUserData: true,
    adPersonalization: true,
  },
};

interface Ga4State {
  readonly properties: Readonly<
    Record<string, { readonly events: number; readonly names: readonly string[]; readonly consent: unknown }>
  >;
  readonly deletions: readonly { readonly id: string; readonly type: string; readonly property: string }[];
}

const credentials = {
  streams: [`G-ANALYTICS:${analyticsSecret}:111111`, `G-ADVERTISING:${advertisingSecret}:222222`],
  serviceAccountEmail: clientEmail,
  serviceAccountPublicKey: keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
};

const settingsFor = (url: string): object => ({
  collectUrl: url,
  userDeletionUrl: url,
  adminUrl: url,
  tokenUrl: `${url}/token`,
  clientEmail,
  privateKey,
  properties,
});

connectorContract({
  definition: ga4,
  // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
  start: () => partnerServerAndDatabase('ga4', { ...credentials, processingMs: 0 }),
  settings: settingsFor,
  purposes: [analytics, advertising],
  fields: { event: 'page_viewed', page: '/start' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const state = (await server.state(person.identifiers['subject-id'] ?? '')) as Ga4State;
    return (state.properties[properties[purpose as keyof typeof properties].propertyId]?.events ?? 0) > 0;
  },
  operations: { share: 'mp.collect', revoke: 'userDeletion.upsert' },
  secrets: [analyticsSecret, advertisingSecret, ...privateKey.split('\n').filter((line) => line.length > 40), 'ya29.'],
  tellsBadRows: true,
  renewsTokens: true,
  erasure: {
    async knows(server, person) {
      const state = (await server.state(person.identifiers['subject-id'] ?? '')) as Ga4State;
      return Object.values(state.properties).some(({ events }) => events > 0);
    },
    operation: 'userDeletion.upsert',
  },
});

describe('ga4: a 2xx that says nothing, and deletions that do', () => {
  const threeDaysMs = 72 * 3_600_000;
  const ground = directGround({
    start: () => partnerServer('ga4', { ...credentials, processingMs: threeDaysMs }),
    settings: Ga4Settings,
    settingsFor,
  });
  const { server, direct, withSettings, pass } = ground;

  const stateOf = async (id: string): Promise<Ga4State> => (await server().state(id)) as Ga4State;
  const deletionsOf = async (id: string): Promise<string[]> =>
    (await stateOf(id)).deletions
      .filter((deletion) => deletion.id === id)
      .map(({ property, type }) => `${property} ${type}`);

  test('a share goes to its purpose’s property, with the consent its notice covers', async () => {
    await ga4.share(
      [shareOf('s1', { event: 'bought', price: 3 }), shareOf('s1', { plan: 'free' }, advertising)],
      direct().context,
    );
    const denied = { ad_user_data: 'DENIED', ad_personalization: 'DENIED' };
    const granted = { ad_user_data: 'GRANTED', ad_personalization: 'GRANTED' };
    expect((await stateOf('s1')).properties).toEqual({
      '111111': { events: 1, names: ['bought'], consent: denied },
      '222222': { events: 1, names: ['profile_update'], consent: granted },
    });
  });

  test('ACK-TRUTH: 204 for what Google drops; a share is sent by it, a revocation never accepted on it', async () => {
    const wrong = { ...properties.advertising, apiSecret: 'mistyped' };
    const mistyped = withSettings({ properties: { ...properties, advertising: wrong } });
    expect(await ga4.share([shareOf('d1', {}, advertising)], mistyped.context)).toEqual([{ kind: 'sent' }]);
    expect((await stateOf('d1')).properties['222222']?.events ?? 0).toBe(0);
    await server().setFaults({ kind: 'status', code: 503, match: 'userDeletion.upsert' });
    expect(await ga4.revoke([revocationOf(['d1'], [analytics])], mistyped.context)).toEqual([
      { kind: 'retry', why: 'status-503' },
    ]);
  });

  test('what Google would drop in silence is refused here, and never leaves', async () => {
    const before = (await server().journal()).length;
    const unsound = [
      { event: 'session_start' },
      { event: '1st' },
      { event: 'ok', ga_id: 1 },
      { motto: 'x'.repeat(37) },
    ];
    const outcomes = await ga4.share(
      unsound.map((fields) => shareOf('u1', fields)),
      direct().context,
    );
    expect(outcomes).toEqual([
      { kind: 'refused', why: 'invalid-event' },
      { kind: 'refused', why: 'invalid-event' },
      { kind: 'refused', why: 'invalid-fields' },
      { kind: 'refused', why: 'invalid-fields' },
    ]);
    expect(await server().journal(before)).toEqual([]);
  });

  test('a withdrawal of advertising is told first, then deletes the person there, by both ids, and nowhere else', async () => {
    await ga4.share([shareOf('a1'), shareOf('a1', {}, advertising)], direct().context);
    const before = (await server().journal()).length;
    const [outcome] = await ga4.revoke([revocationOf(['a1'], [analytics])], direct().context);
    expect(outcome).toEqual({ kind: 'applied', reference: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(await deletionsOf('a1')).toEqual(['222222 USER_ID', '222222 CLIENT_ID']);
    const asked = (await server().journal(before)).flatMap((line) =>
      line.t === 'received' && line.op !== 'token' ? line.asks.map(({ scope }) => scope) : [],
    );
    expect(asked).toEqual(['event/consent_update', 'property/222222', 'property/222222']);
    await pass(threeDaysMs);
    const { properties: held } = await stateOf('a1');
    expect([held['111111']?.events, held['222222']?.events]).toEqual([1, 0]);
  });

  test('every identifier ever shared is deleted; data after the deletion stays', async () => {
    await ga4.share([shareOf('m1'), shareOf('m2')], direct().context);
    await ga4.revoke([revocationOf(['m1', 'm2'])], direct().context);
    await pass(1_000);
    await ga4.share([shareOf('m2', { event: 'returned' })], direct().context);
    await pass(threeDaysMs);
    expect((await stateOf('m1')).properties['111111']?.names).toEqual([]);
    expect((await stateOf('m2')).properties['111111']?.names).toEqual(['returned']);
  });

  badRows(ground, ga4, { revoke: 'userDeletion.upsert' });

  test('the rate pauses for a second; the day’s quota leaves the shares alone', async () => {
    const erased = () => ga4.erase?.([erasureOf(['q1'])], direct().context);
    await server().setFaults({ kind: 'throttle', match: 'userDeletion.upsert' });
    expect(await erased()).toEqual([{ kind: 'retry', why: 'throttled', afterMs: 1_000 }]);
    await server().setFaults({ kind: 'throttle', match: 'userDeletion.upsert', policyName: 'dailyLimitExceeded' });
    expect(await erased()).toEqual([{ kind: 'retry', why: 'daily-quota', afterMs: 3_600_000 }]);
  });

  test('the Admin API deletes likewise, with a token of its own scope', async () => {
    const admin = withSettings({ deletionApi: 'admin-v1alpha', deletedBy: ['USER_ID'] });
    expect(await ga4.erase?.([erasureOf(['v1'])], admin.context)).toEqual([
      { kind: 'applied', reference: expect.stringMatching(/Z$/) },
    ]);
    expect(await deletionsOf('v1')).toEqual(['111111 USER_ID', '222222 USER_ID']);
    await server().setFaults({ kind: 'lie', match: 'users.submitDeletion' });
    expect(await ga4.erase?.([erasureOf(['v1'])], admin.context)).toEqual([
      { kind: 'unclear', why: 'unexpected-answer' },
    ]);
  });

  test('an access token the server no longer takes is renewed, once; without one nothing is accepted', async () => {
    await server().setFaults({ kind: 'authExpired', times: 1, match: 'userDeletion.upsert' });
    expect(await ga4.erase?.([erasureOf(['t1'])], direct().context)).toMatchObject([{ kind: 'applied' }]);
    const before = await deletionsOf('t2');
    await server().setFaults({ kind: 'authExpired', match: '*' });
    expect(await ga4.erase?.([erasureOf(['t2'])], direct().context)).toEqual([
      { kind: 'refused', why: 'authentication' },
    ]);
    expect(await deletionsOf('t2')).toEqual(before);
  });
});
