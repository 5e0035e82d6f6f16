import { afterEach, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync, sign } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const serviceAccountPublicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const iss = 'entente@test.iam.gserviceaccount.com';
const scopes = {
  deletion: 'https://www.googleapis.com/auth/analytics.user.deletion',
  edit: 'https://www.googleapis.com/auth/analytics.edit',
};
const collectPath = '/mp/collect?measurement_id=G-TEST1&api_secret=test-secret';
const payload = (id: string, more: object = {}): object => ({
  client_id: id,
  user_id: id,
  events: [{ name: 'bought', params: { price: 3 } }],
  ...more,
});

async function start(options = {}): Promise<Served> {
  return serving('ga4', { serviceAccountPublicKey, processingMs: 60_000, ...options });
}

async function tokenFor(ga4: Served, scope: string): Promise<string> {
  const iat = Math.floor((performance.timeOrigin + performance.now()) / 1_000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'RS256' })}.${part({ iss, aud: `${ga4.url}/token`, scope, iat, exp: iat + 3_600 })}`;
  const assertion = `${signed}.${sign('RSA-SHA256', Buffer.from(signed), keys.privateKey).toString('base64url')}`;
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const { body } = await ga4.call('POST', '/token', new URLSearchParams(form).toString(), type);
  return String(body['access_token']);
}

const upsert = (ga4: Served, token: string, more: object = {}): Promise<Reply> =>
  ga4.call(
    'POST',
    '/analytics/v3/userDeletion/userDeletionRequests:upsert',
    { kind: 'analytics#userDeletionRequest', id: { type: 'USER_ID', userId: 'u1' }, propertyId: '111111', ...more },
    { authorization: `Bearer ${token}` },
  );

afterEach(stopServing);

describe('the Measurement Protocol', () => {
  test('takes an event with its consent', async () => {
    const ga4 = await start();
    const consent = { ad_user_data: 'DENIED', ad_personalization: 'DENIED' };
    expect(await ga4.call('POST', collectPath, payload('u1', { consent }))).toMatchObject({ status: 204, text: '' });
    expect(await ga4.state('u1')).toMatchObject({
      properties: { '111111': { events: 1, names: ['bought'], consent } },
    });
  });

  const tooMany = Array.from({ length: 26 }, () => ({ name: 'a' }));
  const unsound: readonly (readonly [string, string, unknown])[] = [
    ['no client id', collectPath, payload('')],
    ['no event', collectPath, payload('u1', { events: [] })],
    ['too many events', collectPath, payload('u1', { events: tooMany })],
    ['a reserved name', collectPath, payload('u1', { events: [{ name: 'session_start' }] })],
    ['a name that is none', collectPath, payload('u1', { events: [{ name: '_bad' }] })],
    [
      'a parameter that is too long',
      collectPath,
      payload('u1', { events: [{ name: 'a', params: { b: 'x'.repeat(101) } }] }),
    ],
    ['a consent of lower case', collectPath, payload('u1', { consent: { ad_user_data: 'denied' } })],
    ['no JSON', collectPath, '{"client_id":'],
    ['an unknown stream', '/mp/collect?measurement_id=G-OTHER&api_secret=test-secret', payload('u1')],
    ['a wrong secret', '/mp/collect?measurement_id=G-TEST1&api_secret=wrong', payload('u1')],
  ];

  test.each(unsound)('%s is dropped behind a 204', async (_, path, body) => {
    const ga4 = await start();
    expect(await ga4.call('POST', path, body)).toMatchObject({ status: 204, text: '' });
    expect((await ga4.effects()).map(({ what }) => what)).toEqual(['dropped']);
  });

  test('only the validation server says what is wrong, and never that the secret is', async () => {
    const ga4 = await start();
    const validate = (body: object): Promise<Reply> => ga4.call('POST', '/debug/mp/collect?api_secret=wrong', body);
    expect((await validate(payload('u1', { events: [{ name: '_bad' }] }))).body).toMatchObject({
      validationMessages: [{ fieldPath: 'events', validationCode: 'NAME_INVALID' }],
    });
    expect((await validate(payload('u1'))).body).toEqual({ validationMessages: [] });
    expect(await ga4.effects()).toEqual([]);
  });
});

describe('deletions', () => {
  test('take one kind of id out of what came before them, in their time', async () => {
    const ga4 = await start();
    const token = await tokenFor(ga4, scopes.deletion);
    await ga4.call('POST', collectPath, payload('u1'));
    const reply = await upsert(ga4, token);
    expect(reply).toMatchObject({
      status: 200,
      body: {
        id: { type: 'USER_ID', userId: 'u1' },
        propertyId: '111111',
        deletionRequestTime: expect.stringMatching(/Z$/),
      },
    });
    await ga4.advanceClock(60_000);
    // By its client id the event still knows the person.
    expect(await ga4.state('u1')).toMatchObject({ properties: { '111111': { events: 1 } } });
    await upsert(ga4, token, { id: { type: 'CLIENT_ID', userId: 'u1' } });
    await ga4.advanceClock(1_000);
    await ga4.call('POST', collectPath, payload('u1', { events: [{ name: 'returned' }] }));
    await ga4.advanceClock(60_000);
    expect(await ga4.state('u1')).toMatchObject({ properties: { '111111': { names: ['returned'] } } });
  });

  test('need a token of their own scope, and a property the account may delete in', async () => {
    const ga4 = await start();
    const [deletion, edit] = [await tokenFor(ga4, scopes.deletion), await tokenFor(ga4, scopes.edit)];
    const submit = (
      token: string,
      path = '111111:submitUserDeletion',
      body: object = { userId: 'u1' },
    ): Promise<Reply> => ga4.call('POST', `/v1alpha/properties/${path}`, body, { authorization: `Bearer ${token}` });
    expect([(await upsert(ga4, edit)).status, (await submit(deletion)).status]).toEqual([401, 401]);
    expect((await submit(edit)).body).toEqual({ deletionRequestTime: expect.stringMatching(/Z$/) });
    expect((await upsert(ga4, deletion, { propertyId: '7' })).status).toBe(403);
    expect((await submit(edit, '7:submitUserDeletion')).status).toBe(403);
    expect((await submit(edit, '111111:archive')).status).toBe(404);
    expect((await submit(edit, '111111:submitUserDeletion', { userId: 'u1', clientId: 'c1' })).status).toBe(400);
  });

  test.each([
    ['no id', { id: { type: 'USER_ID', userId: '' } }, 'id.userId'],
    ['an unknown kind of id', { id: { type: 'EMAIL', userId: 'a@b.de' } }, 'id.type'],
    ['another kind of request', { kind: 'other' }, undefined],
  ])('%s is a 400', async (_, more, location) => {
    const ga4 = await start();
    const reply = await upsert(ga4, await tokenFor(ga4, scopes.deletion), more);
    expect(reply.status).toBe(400);
    expect(reply.body['error']?.['errors']?.['0']?.['location']).toBe(location);
  });

  test('the quota is a 403 with its reason', async () => {
    const ga4 = await start();
    const token = await tokenFor(ga4, scopes.deletion);
    await ga4.setFaults({ kind: 'throttle', policyName: 'dailyLimitExceeded' });
    const reply = await upsert(ga4, token);
    expect([reply.status, reply.body['error']?.['errors']?.['0']?.['reason']]).toEqual([403, 'dailyLimitExceeded']);
  });

  test('the store, its tokens included, is rebuilt from the journal', async () => {
    const first = await start();
    const token = await tokenFor(first, scopes.deletion);
    await first.call('POST', collectPath, payload('u1'));
    await upsert(first, token);
    await first.stop();
    const second = await start({ journal: first.file });
    expect((await upsert(second, token)).status).toBe(200);
    await second.advanceClock(60_000);
    expect(await second.state()).toMatchObject({ deletions: [{ done: true }, { done: true }] });
  });
});
