import { afterEach, describe, expect, test } from '@jest/globals';
import { type Served, serving, stopServing } from '../testing/serving.ts';

const bearer = { authorization: 'Bearer test-token' };
const start = (options = {}): Promise<Served> => serving('hubspot', options, bearer);
const statuses = '/communication-preferences/2026-03/statuses';
const contacts = '/crm/objects/2026-03/contacts';
const input = (email: string, properties: object = {}): object => ({ id: email, idProperty: 'email', properties });

afterEach(stopServing);

describe('HubSpot communication preferences', () => {
  test.each(['2026-03', '2026-09', 'v4'])(
    'unsubscribe-all on %s answers COMPLETE with one row per subscription',
    async (version) => {
      const hubspot = await start();
      const path = `/communication-preferences/${version}/statuses/${encodeURIComponent('Ann@b.de')}/unsubscribe-all?channel=EMAIL`;
      const first = await hubspot.call('POST', path);
      expect(first).toMatchObject({ status: 200, body: { status: 'COMPLETE' } });
      expect(first.body['results']).toHaveLength(5);
      expect(first.body['results']?.['0']).toMatchObject({
        channel: 'EMAIL',
        status: 'UNSUBSCRIBED',
        subscriptionId: 1001,
        subscriberIdString: 'Ann@b.de',
        setStatusSuccessReason: 'UNSUBSCRIBE_FROM_ALL_OCCURRED',
      });
      const again = await hubspot.call('POST', path);
      expect(again.body['results']?.['0']).toMatchObject({ setStatusSuccessReason: 'NO_STATUS_CHANGE' });
      expect(await hubspot.effects()).toMatchObject([
        { what: 'unsubscribedAll', identifiers: ['Ann@b.de'], scope: 'channel/EMAIL' },
        { what: 'unchanged', identifiers: ['Ann@b.de'] },
      ]);
      expect(await hubspot.state('ann@b.de')).toMatchObject({
        optedOutOfAll: true,
        subscriptions: { 1003: 'UNSUBSCRIBED' },
      });
    },
  );

  test('one subscription: subscribe, unsubscribe, repeat, resubscribe, read', async () => {
    const hubspot = await start();
    const set = async (statusState: string): Promise<unknown> => {
      const body = { channel: 'EMAIL', statusState, subscriptionId: 1002, legalBasis: 'CONSENT_WITH_NOTICE' };
      const { body: answer } = await hubspot.call('POST', `${statuses}/a@b.de`, body);
      return answer['results']?.['0']?.['setStatusSuccessReason'];
    };
    expect(await set('SUBSCRIBED')).toBe('REQUESTED_CHANGE_OCCURRED');
    expect(await set('UNSUBSCRIBED')).toBe('REQUESTED_CHANGE_OCCURRED');
    expect(await set('UNSUBSCRIBED')).toBe('NO_STATUS_CHANGE');
    expect(await set('SUBSCRIBED')).toBe('RESUBSCRIBE_OCCURRED');
    const read = await hubspot.call('GET', `${statuses}/a@b.de?channel=EMAIL`);
    expect(read.body['results']?.['0']).toMatchObject({ subscriptionId: 1001, status: 'NOT_SPECIFIED' });
    expect(read.body['results']?.['1']).toMatchObject({ subscriptionId: 1002, status: 'SUBSCRIBED' });
  });

  test.each([
    ['no channel', 'POST', `${statuses}/a@b.de/unsubscribe-all`, undefined],
    ['invalid email', 'POST', `${statuses}/nobody/unsubscribe-all?channel=EMAIL`, undefined],
    [
      'unknown subscription',
      'POST',
      `${statuses}/a@b.de`,
      { channel: 'EMAIL', statusState: 'UNSUBSCRIBED', subscriptionId: 7 },
    ],
    ['unknown state', 'POST', `${statuses}/a@b.de`, { channel: 'EMAIL', statusState: 'OFF', subscriptionId: 1001 }],
    ['malformed JSON', 'POST', `${statuses}/a@b.de`, '{"channel":'],
    ['unknown property', 'PATCH', `${contacts}/a@b.de?idProperty=email`, { properties: { shoe_size: '41' } }],
    [
      '101 inputs',
      'POST',
      `${contacts}/batch/upsert`,
      { inputs: Array.from({ length: 101 }, (_, n) => input(`p${n}@b.de`)) },
    ],
  ])('%s is a 400 with the error body and no effect', async (_, method, path, body) => {
    const hubspot = await start();
    const answer = await hubspot.call(method, path, body);
    expect(answer).toMatchObject({
      status: 400,
      body: { status: 'error', category: 'VALIDATION_ERROR', context: {}, links: {} },
    });
    expect(answer.body).toHaveProperty('correlationId');
    expect(await hubspot.effects()).toEqual([]);
  });

  test('batch unsubscribe-all is for Enterprise only; a bad address makes it 207 with numErrors', async () => {
    const path = `${statuses}/batch/unsubscribe-all?channel=EMAIL`;
    expect(await (await start()).call('POST', path, { inputs: ['a@b.de'] })).toMatchObject({
      status: 403,
      body: { category: 'MISSING_SCOPES' },
    });
    const enterprise = await start({ enterprise: true });
    const answer = await enterprise.call('POST', path, { inputs: ['a@b.de', 'nobody'] });
    expect(answer).toMatchObject({ status: 207, body: { numErrors: 1, errors: [{ context: { ids: ['nobody'] } }] } });
    expect(await enterprise.state('a@b.de')).toMatchObject({ optedOutOfAll: true });
  });

  test('credentials: none and wrong are 401, unknown paths 404', async () => {
    const hubspot = await start();
    const path = `${statuses}/a@b.de/unsubscribe-all?channel=EMAIL`;
    const wrong = await hubspot.call('POST', path, undefined, { authorization: 'Bearer other' });
    expect(wrong).toMatchObject({ status: 401, body: { category: 'INVALID_AUTHENTICATION' } });
    expect((await hubspot.call('POST', '/communication-preferences/v9/statuses/a@b.de')).status).toBe(404);
  });
});

describe('HubSpot contacts', () => {
  test('upsert creates and updates, PATCH by email, read, gdpr-delete blocks', async () => {
    const hubspot = await start();
    const upsert = (...inputs: object[]): ReturnType<typeof hubspot.call> =>
      hubspot.call('POST', `${contacts}/batch/upsert`, { inputs });
    const created = await upsert(input('a@b.de', { firstname: 'Ann' }), input('c@d.de'));
    expect(created).toMatchObject({
      status: 200,
      body: {
        status: 'COMPLETE',
        results: [
          { id: '1', new: true },
          { id: '2', new: true },
        ],
      },
    });
    expect((await upsert(input('A@b.de', { city: 'Ulm' }))).body['results']?.['0']).toMatchObject({
      id: '1',
      new: false,
    });
    const patched = await hubspot.call('PATCH', `${contacts}/a%40b.de?idProperty=email`, {
      properties: { ad_sharing_consent: 'denied' },
    });
    expect(patched.body['properties']).toMatchObject({ firstname: 'Ann', city: 'Ulm', ad_sharing_consent: 'denied' });
    expect((await hubspot.call('PATCH', `${contacts}/x@y.de?idProperty=email`, { properties: {} })).status).toBe(404);
    expect((await hubspot.call('GET', `/crm/v3/objects/contacts/a@b.de?idProperty=email`)).body).toMatchObject({
      id: '1',
    });
    expect(
      (await hubspot.call('POST', `${contacts}/gdpr-delete`, { objectId: 'a@b.de', idProperty: 'email' })).status,
    ).toBe(204);
    expect(await hubspot.state('a@b.de')).toMatchObject({ contact: null, blocked: true });
    expect(await upsert(input('a@b.de'))).toMatchObject({ status: 207, body: { numErrors: 1 } });
  });

  test('an invalid email in a batch is one error among results', async () => {
    const hubspot = await start();
    const answer = await hubspot.call('POST', `${contacts}/batch/upsert`, { inputs: [input('bad'), input('a@b.de')] });
    expect(answer).toMatchObject({ status: 207, body: { numErrors: 1, results: [{ id: '1' }] } });
  });
});

describe('HubSpot limits and lies', () => {
  const path = `${statuses}/a@b.de/unsubscribe-all?channel=EMAIL`;

  test('its rate limit answers 429 with policyName and counts down in headers', async () => {
    const hubspot = await start({ rate: { requests: 2, perMs: 60_000 } });
    expect((await hubspot.call('POST', path)).headers.get('x-hubspot-ratelimit-remaining')).toBe('1');
    await hubspot.call('POST', path);
    const third = await hubspot.call('POST', path);
    expect(third).toMatchObject({ status: 429, body: { errorType: 'RATE_LIMIT', policyName: 'TEN_SECONDLY_ROLLING' } });
    expect(third.headers.get('x-hubspot-ratelimit-daily')).toBe('650000');
  });

  test('lie: 200 CANCELED with numErrors; a batch: 207; a contact write: a contact without the written value', async () => {
    const hubspot = await start({ enterprise: true });
    await hubspot.setFaults({ kind: 'lie' });
    expect(await hubspot.call('POST', path)).toMatchObject({
      status: 200,
      body: { status: 'CANCELED', numErrors: 1, results: [] },
    });
    const batch = await hubspot.call('POST', `${contacts}/batch/upsert`, { inputs: [input('a@b.de')] });
    expect(batch).toMatchObject({ status: 207, body: { numErrors: 1 } });
    expect(await hubspot.effects()).toEqual([]);
  });
});
