import { afterEach, describe, expect, test } from '@jest/globals';
import { type Served, serving, stopServing } from '../testing/serving.ts';

const start = (options = {}): Promise<Served> => serving('unomi', options, { 'x-unomi-peer': 'test-peer' });
const context = '/cxs/context.json';
const dates = { statusDate: '2026-11-20T10:00:00.000Z', revokeDate: '2028-11-20T10:00:00.000Z' };
const consentEvent = (consent: object, more: object = {}): object => ({
  eventType: 'modifyConsent',
  scope: 'example',
  source: { itemType: 'page', scope: 'example', itemId: 'p' },
  properties: { consent },
  ...more,
});
const denied = (more: object = {}): object =>
  consentEvent({ typeIdentifier: 'ads', scope: 'example', status: 'DENIED', ...dates, ...more });
const update = (properties: object): object => ({
  eventType: 'updateProperties',
  scope: 'example',
  properties: { update: properties },
});

afterEach(stopServing);

describe('Unomi consents', () => {
  test.each([context, '/context.json'])('%s sets a consent and shows the profile’s consents', async (path) => {
    const unomi = await start();
    const answer = await unomi.call('POST', path, { profileId: 'ann', events: [denied()] });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        profileId: 'ann',
        processedEvents: 1,
        consents: { 'example/ads': { typeIdentifier: 'ads', scope: 'example', status: 'DENIED' } },
      },
    });
    expect(await unomi.effects()).toMatchObject([
      { what: 'profileCreated', identifiers: ['ann'] },
      { what: 'consentSet', scope: 'consent/example/ads' },
    ]);
    expect(await unomi.state('ann')).toMatchObject({ consents: { 'example/ads': { status: 'DENIED' } } });
  });

  test('eventcollector answers bits: 4 = profile updated, 2 = session', async () => {
    const unomi = await start();
    const send = (body: object): ReturnType<Served['call']> => unomi.call('POST', '/cxs/eventcollector', body);
    expect((await send({ profileId: 'ann', events: [denied()] })).body).toEqual({ updated: 4 });
    expect((await send({ profileId: 'ann', events: [] })).body).toEqual({ updated: 0 });
    expect((await send({ profileId: 'ann', sessionId: 's', events: [denied()] })).body).toEqual({ updated: 6 });
  });

  test.each([
    ['no type', denied({ typeIdentifier: '' }), 1],
    ['no status', consentEvent({ typeIdentifier: 'ads', scope: 'example' }), 1],
    ['a status of the manual’s prose', denied({ status: 'DENY' }), 0],
    ['a date that is none', denied({ statusDate: 'yesterday' }), 0],
    ['a scope nobody declared', denied({ scope: 'elsewhere' }), 0],
    ['an event scope nobody declared', consentEvent({ typeIdentifier: 'ads' }, { scope: 'elsewhere' }), 0],
    ['a field no consent has', denied({ reason: 'withdrawn' }), 0],
    ['an event type nobody knows', consentEvent({}, { eventType: 'withdraw' }), 0],
  ])('%s: 200 without effect', async (_, event, processedEvents) => {
    const unomi = await start();
    await unomi.call('POST', context, { profileId: 'ann' });
    const answer = await unomi.call('POST', context, { profileId: 'ann', events: [event] });
    expect(answer).toMatchObject({ status: 200, body: { processedEvents, consents: {} } });
    expect((await unomi.call('POST', '/cxs/eventcollector', { profileId: 'ann', events: [event] })).body).toEqual({
      updated: 0,
    });
  });

  test('the bit of a profile that had to be created says nothing about its consent', async () => {
    const unomi = await start();
    const answer = await unomi.call('POST', '/cxs/eventcollector', {
      profileId: 'new',
      events: [denied({ scope: 'x' })],
    });
    expect(answer.body).toEqual({ updated: 4 });
    expect(await unomi.state('new')).toMatchObject({ consents: {} });
  });

  test('REVOKED takes away only a consent without scope; the last event wins, whatever its date', async () => {
    const unomi = await start();
    const send = (...events: object[]): ReturnType<Served['call']> =>
      unomi.call('POST', context, { profileId: 'ann', events });
    await send(denied({ status: 'GRANTED', statusDate: '2027-01-01T00:00:00Z' }), denied());
    expect((await send(denied({ status: 'REVOKED' }))).body['consents']).toMatchObject({
      'example/ads': { status: 'DENIED' },
    });
    await send(consentEvent({ typeIdentifier: 'mail', status: 'DENIED' }));
    const left = await send(consentEvent({ typeIdentifier: 'mail', status: 'REVOKED' }));
    expect(Object.keys(left.body['consents'] ?? {})).toEqual(['example/ads']);
  });

  test('a merged profile is answered with its master', async () => {
    const unomi = await start({ mergedProfiles: ['old=master'] });
    const answer = await unomi.call('POST', context, { profileId: 'old', events: [denied()] });
    expect(answer.body).toMatchObject({ profileId: 'master', consents: { 'example/ads': { status: 'DENIED' } } });
  });
});

describe('Unomi profiles', () => {
  test('updateProperties needs the third-party key; without it the event is dropped', async () => {
    const unomi = await start();
    const body = {
      profileId: 'ann',
      requiredProfileProperties: ['plan'],
      events: [update({ 'properties.plan': 'free' })],
    };
    const stranger = await unomi.call('POST', context, body, { 'x-unomi-peer': 'other' });
    expect(stranger).toMatchObject({ status: 200, body: { processedEvents: 0, profileProperties: {} } });
    expect((await unomi.call('POST', context, body)).body).toMatchObject({
      processedEvents: 1,
      profileProperties: { plan: 'free' },
    });
  });

  test.each([
    ['an id of 61 characters', { profileId: 'x'.repeat(61) }],
    ['an id with a plus', { profileId: 'ann+1@b.de' }],
    ['nobody', { events: [denied()] }],
    ['malformed JSON', '{"profileId":'],
  ])('%s is a 400 without effect', async (_, body) => {
    const unomi = await start();
    expect((await unomi.call('POST', context, body)).status).toBe(400);
    expect(await unomi.effects()).toEqual([]);
  });

  test('private calls want Basic credentials: read, anonymize, delete', async () => {
    const unomi = await start();
    const basic = { authorization: `Basic ${Buffer.from('karaf:karaf').toString('base64')}` };
    const events = [update({ 'properties.email': 'a@b.de', 'properties.plan': 'free' })];
    await unomi.call('POST', context, { profileId: 'ann', events });
    expect((await unomi.call('GET', '/cxs/profiles/ann')).status).toBe(401);
    expect((await unomi.call('POST', '/cxs/privacy/profiles/ann/anonymize', undefined, basic)).status).toBe(204);
    expect((await unomi.call('GET', '/cxs/profiles/ann', undefined, basic)).body).toMatchObject({
      properties: { plan: 'free' },
    });
    await unomi.call('DELETE', '/cxs/privacy/profiles/ann?withData=true', undefined, basic);
    expect((await unomi.call('GET', '/cxs/profiles/ann', undefined, basic)).status).toBe(204);
  });

  test('3.1 wants its public key', async () => {
    const unomi = await start({ apiKey: 'public' });
    expect((await unomi.call('POST', context, { profileId: 'ann' })).status).toBe(401);
    expect((await unomi.call('POST', context, { profileId: 'ann' }, { 'x-unomi-api-key': 'public' })).status).toBe(200);
  });
});

describe('Unomi faults', () => {
  test('lie: 200, no event processed, consents and properties as they were', async () => {
    const unomi = await start();
    const events = [denied(), update({ 'properties.plan': 'free' })];
    await unomi.call('POST', context, { profileId: 'ann', events: [denied({ status: 'GRANTED' })] });
    await unomi.setFaults({ kind: 'lie' });
    const answer = await unomi.call('POST', context, { profileId: 'ann', events, requiredProfileProperties: ['plan'] });
    expect(answer).toMatchObject({
      status: 200,
      body: { processedEvents: 0, consents: { 'example/ads': { status: 'GRANTED' } }, profileProperties: {} },
    });
    expect((await unomi.call('POST', '/cxs/eventcollector', { profileId: 'ann', events })).body).toEqual({
      updated: 0,
    });
    expect(await unomi.state('ann')).toMatchObject({ consents: { 'example/ads': { status: 'GRANTED' } } });
  });

  test('a restart rebuilds the store from the journal', async () => {
    const first = await start();
    await first.call('POST', context, { profileId: 'ann', events: [denied()] });
    await first.stop();
    const second = await start({ journal: first.file });
    expect(await second.state('ann')).toMatchObject({ consents: { 'example/ads': { status: 'DENIED' } } });
  });
});
