import { connectorContract, type ContractServer } from '@entente/connector-runtime/testing';
import { partnerServer, partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { PostHog } from 'posthog-node';
import {
  advertising,
  analytics,
  confirmationOf,
  erasureOf,
  revocationOf,
  shareOf,
} from '../../testing/direct-context.ts';
import { badRows, directGround } from '../../testing/direct-ground.ts';
import { confirm } from './confirm.ts';
import { posthog } from './definition.ts';
import { erase } from './erase.ts';
import { readBack } from './read-back.ts';
import { PosthogSettings } from './settings.ts';

const consentProperties = { 'product-analytics': 'analytics_consent', advertising: 'advertising_consent' };
const [token, apiKey] = ['phc_projecttoken', 'phx_secretkey'];

const weekMs = 7 * 24 * 3_600_000;

interface PosthogState {
  readonly person: { readonly properties: Readonly<Record<string, unknown>> } | null;
  readonly events: readonly { readonly event: string }[];
}

const credentials = { token, apiKey, project: '4242' };

const settingsFor = (url: string): object => ({
  captureUrl: url,
  apiUrl: url,
  projectToken: token,
  personalApiKey: apiKey,
  projectId: '4242',
  consentProperties,
});

connectorContract({
  definition: posthog,
  start: () => partnerServerAndDatabase('posthog', { ...credentials, ingestedAfterMs: 0 }),
  settings: settingsFor,
  purposes: [analytics, advertising],
  fields: { event: 'Page Viewed', page: '/start' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const state = (await server.state(person.identifiers['subject-id'] ?? '')) as PosthogState;
    return state.person?.properties[consentProperties[purpose as keyof typeof consentProperties]] === 'granted';
  },
  operations: { share: 'capture.batch', revoke: 'capture.batch' },
  secrets: [token, apiKey],
  tellsBadRows: true,
  // Persons change at once; deletions of events run once a week.
  confirmation: { finish: (server) => server.advanceClock(weekMs), operation: 'persons.lookUp' },
  readBack: {
    // The brand's own application says yes for somebody.
    serve: (server, person, purpose) =>
      captureSet(server, person.identifiers['subject-id'] ?? '', {
        [consentProperties[purpose as keyof typeof consentProperties]]: 'granted',
      }),
    operation: 'persons.lookUp',
  },
  erasure: {
    async knows(server, person) {
      const state = (await server.state(person.identifiers['subject-id'] ?? '')) as PosthogState;
      return state.person !== null || state.events.length > 0;
    },
    operation: 'persons.bulkDelete',
  },
});

async function captureSet({ url }: ContractServer, id: string, properties: object): Promise<void> {
  const event = { event: '$set', distinct_id: id, properties: { $set: properties } };
  const answer = await fetch(`${url}/batch/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ api_key: token, batch: [event] }),
  });
  if (!answer.ok) throw new Error(`the event was answered ${answer.status}`);
}

describe('posthog: what is accepted is not yet done', () => {
  /** Longer than any test: only the partner's own clock lets an event arrive. */
  const ingestionMs = 60_000;
  const ground = directGround({
    start: () => partnerServer('posthog', { ...credentials, ingestedAfterMs: ingestionMs }),
    settings: PosthogSettings,
    settingsFor,
  });
  const { server, direct } = ground;

  const shared = async (id: string): Promise<void> => {
    expect(await posthog.share([shareOf(id), shareOf(id, {}, advertising)], direct().context)).toEqual([
      { kind: 'sent' },
      { kind: 'sent' },
    ]);
    await server().advanceClock(ingestionMs);
  };
  const revoked = async (id: string, allowed = [] as (typeof analytics)[]): Promise<string | undefined> => {
    const [outcome] = await posthog.revoke([revocationOf([id], allowed)], direct().context);
    expect(outcome).toMatchObject({ kind: 'applied', reference: expect.stringMatching(/^mark:/) });
    return outcome?.kind === 'applied' ? outcome.reference : undefined;
  };
  const confirmed = async (id: string, reference?: string, allowed = [] as (typeof analytics)[]) =>
    (await confirm([confirmationOf([id], reference, allowed)], direct().context))[0];
  const stateOf = async (id: string): Promise<PosthogState> => (await server().state(id)) as PosthogState;

  test('confirmed once the person shows the mark of this denial, not before', async () => {
    await shared('c1');
    const reference = await revoked('c1', [analytics]);
    expect(await confirmed('c1', reference, [analytics])).toMatchObject({ kind: 'pending' });
    await server().advanceClock(ingestionMs);
    expect(await confirmed('c1', reference, [analytics])).toEqual({ kind: 'confirmed' });
    expect(await readBack([{ ...revocationOf(['c1', 'nobody']) }], direct().context)).toEqual([
      { kind: 'read', served: [analytics] },
    ]);
  });

  test('a denial that still shows from an earlier withdrawal confirms nothing: a share may be under way behind it', async () => {
    await shared('c2');
    const earlier = await revoked('c2');
    await server().advanceClock(ingestionMs);
    await posthog.share([shareOf('c2')], direct().context);
    const later = await revoked('c2');
    expect(await confirmed('c2', earlier)).toEqual({ kind: 'confirmed' });
    expect(await confirmed('c2', later)).toMatchObject({ kind: 'pending' });
    await server().advanceClock(ingestionMs);
    expect(await confirmed('c2', later)).toEqual({ kind: 'confirmed' });
  });

  test('ACK-TRUTH: Ok and dropped (over quota, or a token nobody owns) is found out and fails, so that it is due again', async () => {
    await shared('c3');
    await server().setFaults({ kind: 'ignore', match: 'capture.batch' });
    const reference = await revoked('c3');
    await server().clearFaults();
    expect(await confirmed('c3', reference)).toMatchObject({ kind: 'pending' });
    direct().advance(new PosthogSettings().ingestedWithinMs);
    expect(await confirmed('c3', reference)).toEqual({ kind: 'failed', why: 'not-shown' });
  });

  test('ACK-TRUTH: Ok that names its quota is no acceptance', async () => {
    await server().setFaults({ kind: 'lie', match: 'capture.batch' });
    expect(await posthog.revoke([revocationOf(['c4'])], direct().context)).toEqual([
      { kind: 'retry', why: 'over-quota' },
    ]);
    expect(await posthog.share([shareOf('c4')], direct().context)).toEqual([{ kind: 'retry', why: 'over-quota' }]);
  });

  badRows(ground, posthog, { revoke: 'capture.batch', share: 'capture.batch' });

  test('an event that would merge persons never leaves; the others of its batch do', async () => {
    const before = (await server().journal()).length;
    const outcomes = await posthog.share(
      [shareOf('i1', { event: '$identify', $anon_distinct_id: 'i2' }), shareOf('i2', { event: 'Bought' })],
      direct().context,
    );
    expect(outcomes).toEqual([{ kind: 'refused', why: 'invalid-event' }, { kind: 'sent' }]);
    expect(await posthog.share([shareOf('i3', { event: '$create_alias' })], direct().context)).toEqual([
      { kind: 'refused', why: 'invalid-event' },
    ]);
    const asked = (await server().journal(before)).flatMap((line) => (line.t === 'received' ? line.asks : []));
    expect(asked.map(({ scope }) => scope)).toEqual(['event/Bought']);
  });

  test('erasure waits for what is being ingested, deletes the person, and is confirmed with the events days later', async () => {
    await shared('e1');
    await posthog.share([shareOf('e1', { event: 'Late' })], direct().context);
    const attempt = async () => (await erase([erasureOf(['e1'])], direct().context))[0];
    expect(await attempt()).toMatchObject({ kind: 'retry', why: 'not-ingested-yet' });
    await server().advanceClock(ingestionMs);
    const outcome = await attempt();
    expect(outcome).toMatchObject({ kind: 'applied', reference: expect.stringMatching(/^deletion:/) });
    expect((await stateOf('e1')).person).toBeNull();
    const reference = outcome?.kind === 'applied' ? outcome.reference : undefined;
    expect(await confirmed('e1', reference)).toMatchObject({ kind: 'pending' });
    expect((await stateOf('e1')).events.length).toBeGreaterThan(0);
    await server().advanceClock(7 * 24 * 3_600_000);
    expect(await confirmed('e1', reference)).toEqual({ kind: 'confirmed' });
    expect((await stateOf('e1')).events).toEqual([]);
    // Its one deletion is used up: for what would be stored from now on, it proves nothing.
    const later = confirmationOf(['e1'], reference, [], direct().context.now() + 24 * 3_600_000);
    expect(await confirm([later], direct().context)).toEqual([{ kind: 'refused', why: 'older-deletion' }]);
  });

  test.each([
    ['lie', 'not-deleted'],
    ['badRow', 'deletion-error'],
  ] as const)('ACK-TRUTH: 202 that deletes nobody (%s) is no acceptance', async (kind, why) => {
    const id = `e-${kind}`;
    await shared(id);
    await erase([erasureOf([id])], direct().context);
    await server().advanceClock(ingestionMs);
    await server().setFaults({ kind, match: 'persons.bulkDelete' });
    expect(await erase([erasureOf([id])], direct().context)).toEqual([{ kind: 'retry', why }]);
    await server().clearFaults();
    expect(await erase([erasureOf([id])], direct().context)).toMatchObject([{ kind: 'applied' }]);
  });

  test('expired keys, throttling and silence while asking are no confirmation', async () => {
    await server().setFaults({ kind: 'authExpired', match: 'persons.*' });
    expect(await confirmed('c1')).toEqual({ kind: 'refused', why: 'authentication' });
    await server().setFaults({ kind: 'throttle', match: 'persons.*', retryAfterMs: 3_000 });
    expect(await confirmed('c1')).toEqual({ kind: 'retry', why: 'throttled', afterMs: 3_000 });
    await server().setFaults({ kind: 'malformed', match: 'persons.*' });
    expect(await confirmed('c1')).toEqual({ kind: 'unclear', why: 'unexpected-answer' });
  });

  test('the official client, unchanged, is understood by the contract server', async () => {
    const client = new PostHog(token, { host: server().url, flushAt: 10, disableGeoip: true });
    const errors: unknown[] = [];
    client.on('error', (error: unknown) => errors.push(error));
    client.identify({ distinctId: 'sdk-1', properties: { plan: 'pro' } });
    client.capture({
      distinctId: 'sdk-1',
      event: 'Bought',
      properties: { price: 3, $set: { analytics_consent: 'granted' } },
    });
    await client.shutdown();
    expect(errors).toEqual([]);
    await server().advanceClock(ingestionMs);
    expect(await stateOf('sdk-1')).toMatchObject({
      person: { properties: { plan: 'pro', analytics_consent: 'granted' } },
      events: [{ event: '$identify' }, { event: 'Bought' }],
    });
  });
});
