import { connectorContract, type ContractServer } from '@entente/connector-runtime/testing';
import { partnerServer, partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { init } from 'mixpanel';
import { promisify } from 'node:util';
import {
  advertising,
  analytics,
  confirmationOf,
  erasureOf,
  revocationOf,
  shareOf,
} from '../../testing/direct-context.ts';
import { badRows, directGround } from '../../testing/direct-ground.ts';
import { confirm, readBack } from './confirm.ts';
import { mixpanel } from './definition.ts';
import { MixpanelSettings } from './settings.ts';

const consentProperties = { 'product-analytics': 'analytics_consent', advertising: 'advertising_consent' };
const [token, gdprToken, secret] = ['abcdef0123456789abcdef0123456789', 'gdpr-secret-token', 'account-secret'];
const weeksMs = 21 * 24 * 3_600_000;

interface MixpanelState {
  readonly profile: Readonly<Record<string, unknown>> | null;
  readonly events: readonly { readonly name: string; readonly properties: Readonly<Record<string, unknown>> }[];
}

const credentials = { token, gdprToken, credentials: `reader:${secret}`, processingMs: weeksMs };

const settingsFor = (url: string): object => ({
  ingestionUrl: url,
  appUrl: url,
  projectToken: token,
  gdprToken,
  serviceAccount: { username: 'reader', secret, projectId: '1234567' },
  consentProperties,
});

connectorContract({
  definition: mixpanel,
  start: () => partnerServerAndDatabase('mixpanel', credentials),
  // What it shows is taken for its present state at once: here nothing is under way.
  settings: (url) => ({ ...settingsFor(url), shownWithinMs: 0 }),
  purposes: [analytics, advertising],
  fields: { event: 'Page Viewed', page: '/start' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const { profile } = (await server.state(person.identifiers['subject-id'] ?? '')) as MixpanelState;
    return profile?.[consentProperties[purpose as keyof typeof consentProperties]] === 'granted';
  },
  operations: { share: 'profiles.update', revoke: 'profiles.update' },
  secrets: [token, gdprToken, secret, Buffer.from(`${token}:`).toString('base64')],
  tellsBadRows: true,
  confirmation: { finish: (server) => server.advanceClock(weeksMs), operation: 'profiles.query' },
  readBack: {
    // The brand's own application says yes for somebody.
    serve: (server, person, purpose) =>
      setProfile(server, person.identifiers['subject-id'] ?? '', {
        [consentProperties[purpose as keyof typeof consentProperties]]: 'granted',
      }),
    operation: 'profiles.query',
  },
  erasure: {
    async knows(server, person) {
      const { profile, events } = (await server.state(person.identifiers['subject-id'] ?? '')) as MixpanelState;
      return profile !== null || events.length > 0;
    },
    operation: 'deletions.create',
  },
});

async function setProfile({ url }: ContractServer, id: string, properties: object): Promise<void> {
  const answer = await fetch(`${url}/engage?verbose=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ $token: token, $distinct_id: id, $set: properties }]),
  });
  if (!answer.ok) throw new Error(`the update was answered ${answer.status}`);
}

describe('mixpanel: events, tasks and reading back', () => {
  const ground = directGround({
    start: () => partnerServer('mixpanel', credentials),
    settings: MixpanelSettings,
    settingsFor,
  });
  const { server, direct, withSettings } = ground;

  const stateOf = async (id: string): Promise<MixpanelState> => (await server().state(id)) as MixpanelState;
  const kinds = (outcomes: readonly { readonly kind: string }[]): string[] => outcomes.map(({ kind }) => kind);

  test('a share writes its purpose on the profile, and an event where there is one; a repeated share is the same event', async () => {
    const item = shareOf('s1', { event: 'Bought', time: 1_700_000_000, price: 3, distinct_id: 'somebody-else' });
    expect(await mixpanel.share([item, shareOf('s2', { plan: 'free' })], direct().context)).toEqual([
      { kind: 'sent' },
      { kind: 'sent' },
    ]);
    expect(await mixpanel.share([item], direct().context)).toEqual([{ kind: 'sent' }]);
    expect(await stateOf('s1')).toMatchObject({
      profile: { analytics_consent: 'granted' },
      events: [{ name: 'Bought', properties: { price: 3, time: 1_700_000_000 } }],
    });
    expect((await stateOf('s1')).events).toHaveLength(1);
    expect(await stateOf('s2')).toMatchObject({ profile: { plan: 'free', analytics_consent: 'granted' }, events: [] });
    expect(await stateOf('somebody-else')).toMatchObject({ profile: null, events: [] });
  });

  test('ACK-TRUTH: a 400 that stored the others refuses only the events it names', async () => {
    await server().setFaults({ kind: 'badRow', match: 'events.import' });
    const items = ['n1', 'n2', 'n3'].map((id) => shareOf(id, { event: 'Bought' }));
    expect(await mixpanel.share(items, direct().context)).toEqual([
      { kind: 'refused', why: 'invalid-event' },
      { kind: 'sent' },
      { kind: 'sent' },
    ]);
    expect((await stateOf('n2')).events).toHaveLength(1);
  });

  test('ACK-TRUTH: 200 with status 0 is no acceptance, whoever is told so', async () => {
    await server().setFaults({ kind: 'lie', match: 'profiles.update' });
    const notAccepted = { kind: 'retry', why: 'not-accepted' };
    expect(await mixpanel.share([shareOf('l1')], direct().context)).toEqual([notAccepted]);
    expect(await mixpanel.revoke([revocationOf(['l1'])], direct().context)).toEqual([notAccepted]);
  });

  badRows(ground, mixpanel, { revoke: 'profiles.update', share: 'profiles.update' });

  test('what would join persons, and ids that stand for nobody, never leave', async () => {
    const before = (await server().journal()).length;
    expect(
      await mixpanel.share(
        [shareOf('j1', { event: '$identify' }), shareOf('anonymous', { plan: 'x' })],
        direct().context,
      ),
    ).toEqual([
      { kind: 'refused', why: 'invalid-event' },
      { kind: 'refused', why: 'unusable-identifier' },
    ]);
    expect(await server().journal(before)).toEqual([]);
  });

  test('a denial is confirmed by reading the profile, once an earlier one cannot be what it shows', async () => {
    await mixpanel.share([shareOf('c1'), shareOf('c1', {}, advertising)], direct().context);
    await mixpanel.revoke([revocationOf(['c1'], [analytics])], direct().context);
    const asked = confirmationOf(['c1'], undefined, [analytics], direct().context.now());
    expect(await confirm([asked], direct().context)).toEqual([{ kind: 'pending', afterMs: expect.any(Number) }]);
    direct().advance(new MixpanelSettings().shownWithinMs);
    expect(await confirm([asked, { ...asked, allowed: [] }], direct().context)).toEqual([
      { kind: 'confirmed' },
      { kind: 'failed', why: 'not-shown' },
    ]);
    expect(await readBack([revocationOf(['c1', 'nobody']), revocationOf(['nobody'])], direct().context)).toEqual([
      { kind: 'read', served: [analytics] },
      { kind: 'read', served: [] },
    ]);
  });

  test('without a service account nothing can be read back, and nothing is taken for confirmed', async () => {
    const blind = withSettings({ serviceAccount: undefined });
    blind.advance(new MixpanelSettings().shownWithinMs + 1_000);
    const refused = { kind: 'refused', why: 'no-service-account' };
    expect(await confirm([confirmationOf(['c1'], undefined)], blind.context)).toEqual([refused]);
    expect(await readBack([revocationOf(['c1'])], blind.context)).toEqual([refused]);
  });

  test('erasure: the profile goes at once, events with a task that is confirmed by its own end', async () => {
    await mixpanel.share([shareOf('e1', { event: 'Bought' }), shareOf('e2')], direct().context);
    const outcomes = (await mixpanel.erase?.([erasureOf(['e1']), erasureOf(['e2'])], direct().context)) ?? [];
    expect(outcomes).toEqual([
      { kind: 'applied', reference: expect.stringMatching(/^\d+$/) },
      { kind: 'applied', reference: expect.stringMatching(/^\d+$/) },
    ]);
    const [first] = outcomes;
    const reference = first?.kind === 'applied' ? first.reference : undefined;
    expect(await stateOf('e1')).toMatchObject({ profile: null, events: [{ name: 'Bought' }] });
    const ask = () =>
      confirm([confirmationOf(['e1'], reference), confirmationOf(['stranger'], reference)], direct().context);
    expect(kinds(await ask())).toEqual(['pending', 'pending']);
    await server().advanceClock(weeksMs);
    // A task that ended well says nothing of somebody it does not name.
    expect(await ask()).toEqual([{ kind: 'confirmed' }, { kind: 'failed', why: 'not-in-task' }]);
    expect((await stateOf('e1')).events).toEqual([]);
  });

  test('a task that fails, or that nobody knows, makes the deletion due again', async () => {
    await server().setFaults({ kind: 'failLater', match: 'deletions.create' });
    const [outcome] = (await mixpanel.erase?.([erasureOf(['f1'])], direct().context)) ?? [];
    await server().advanceClock(weeksMs);
    const reference = outcome?.kind === 'applied' ? outcome.reference : undefined;
    expect(await confirm([confirmationOf(['f1'], reference), confirmationOf(['f1'], '1')], direct().context)).toEqual([
      { kind: 'failed', why: 'task-failure' },
      { kind: 'failed', why: 'task-not-found' },
    ]);
  });

  test('where it is wished for, a full withdrawal deletes as an erasure does; a partial one never', async () => {
    const deleting = withSettings({ deleteWhenNothingAllowed: true });
    await mixpanel.share([shareOf('d1'), shareOf('d2')], deleting.context);
    const outcomes = await mixpanel.revoke([revocationOf(['d1']), revocationOf(['d2'], [analytics])], deleting.context);
    expect(outcomes).toEqual([{ kind: 'applied', reference: expect.any(String) }, { kind: 'applied' }]);
    const asked = (await server().journal()).flatMap((line) =>
      line.t === 'received' && line.op === 'deletions.create'
        ? line.asks.flatMap(({ identifiers }) => identifiers)
        : [],
    );
    expect(asked.filter((id) => id.startsWith('d'))).toEqual(['d1']);
  });

  test.each([
    ['lie', { kind: 'unclear', why: 'unexpected-answer' }],
    ['authExpired', { kind: 'refused', why: 'authentication' }],
    ['throttle', { kind: 'retry', why: 'throttled' }],
    ['loseAnswer', { kind: 'unclear', why: 'no-answer' }],
  ] as const)('ACK-TRUTH: a deletion answered by %s is not accepted', async (kind, outcome) => {
    await server().setFaults({ kind, match: 'deletions.create' });
    expect(await mixpanel.erase?.([erasureOf(['x1'])], direct().context)).toEqual([outcome]);
  });

  test('the official client, unchanged, is understood by the contract server', async () => {
    const { host } = new URL(server().url);
    const client = init(token, { host, protocol: 'http', keepAlive: false });
    const done = promisify((act: (callback: (error?: Error) => void) => void, callback: (error?: Error) => void) =>
      act(callback),
    );
    await done((callback) => client.track('Bought', { distinct_id: 'sdk-1', price: 3 }, callback));
    await done((callback) => client.people.set('sdk-1', { analytics_consent: 'granted' }, callback));
    expect(await stateOf('sdk-1')).toMatchObject({
      profile: { analytics_consent: 'granted' },
      events: [{ name: 'Bought' }],
    });
    await done((callback) => client.people.delete_user('sdk-1', callback));
    expect((await stateOf('sdk-1')).profile).toBeNull();
    const stranger = init('0'.repeat(32), { host, protocol: 'http', keepAlive: false });
    await expect(done((callback) => stranger.track('Bought', { distinct_id: 'sdk-2' }, callback))).rejects.toThrow(
      'Mixpanel Server Error: 0',
    );
  });
});
