import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const list = '7090784486';
const email = 'entente@test.iam.gserviceaccount.com';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const serviceAccountPublicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const hash = (value: string): string => createHash('sha256').update(value).digest('hex');
const ann = hash('ann@b.de');
const nowSeconds = (): number => Math.floor((performance.timeOrigin + performance.now()) / 1_000);

interface Claims {
  readonly iss?: string;
  readonly aud?: string;
  readonly scope?: string;
  readonly iat?: number;
  readonly exp?: number;
}

function assertion(google: Served, claims: Claims = {}, key = keys.privateKey): string {
  const iat = nowSeconds();
  const whole = {
    iss: email,
    aud: `${google.url}/token`,
    scope: 'https://www.googleapis.com/auth/datamanager',
    iat,
    exp: iat + 3_600,
    ...claims,
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(whole)}`;
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`;
}

const grant = (google: Served, jwt: string): Promise<Reply> =>
  google.call(
    'POST',
    '/token',
    new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: jwt }).toString(),
    { 'content-type': 'application/x-www-form-urlencoded' },
  );

interface Signed extends Served {
  members(method: 'ingest' | 'remove', hashes: readonly string[], more?: object): Promise<Reply>;
  status(requestId: string): Promise<Reply>;
}

async function start(options = {}): Promise<Signed> {
  const google = await serving('google-data-manager', { serviceAccountPublicKey, ...options });
  const { body } = await grant(google, assertion(google));
  const headers = { authorization: `Bearer ${String(body['access_token'])}` };
  const destinations = [
    { operatingAccount: { accountType: 'GOOGLE_ADS', accountId: '1234567890' }, productDestinationId: list },
  ];
  const consent = { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_GRANTED' };
  const termsOfService = { customerMatchTermsOfServiceStatus: 'ACCEPTED' };
  return {
    ...google,
    members: (method, hashes, more = {}) =>
      google.call(
        'POST',
        `/v1/audienceMembers:${method}`,
        {
          destinations,
          audienceMembers: hashes.map((emailAddress) => ({ userData: { userIdentifiers: [{ emailAddress }] } })),
          encoding: 'HEX',
          ...(method === 'ingest' ? { consent, termsOfService } : {}),
          ...more,
        },
        headers,
      ),
    status: (requestId) => google.call('GET', `/v1/requestStatus:retrieve?requestId=${requestId}`, undefined, headers),
  };
}

const requestStatus = async (google: Signed, id: string): Promise<unknown> =>
  (await google.status(id)).body['requestStatusPerDestination']?.['0'];
const idOf = (reply: Reply): string => String(reply.body['requestId']);
const violations = (reply: Reply): unknown => reply.body['error']?.['details']?.['1']?.['fieldViolations'];

afterEach(stopServing);

describe('the service account grant', () => {
  test('a well-signed assertion gives a token that opens the API until it expires', async () => {
    const google = await start();
    expect((await google.members('ingest', [ann])).status).toBe(200);
    await google.advanceClock(3_600_000);
    expect(await google.members('ingest', [ann])).toMatchObject({
      status: 401,
      body: { error: { status: 'UNAUTHENTICATED' } },
    });
  });

  test.each([
    ['another key', {}, other.privateKey],
    ['another issuer', { iss: 'mallory@test' }, keys.privateKey],
    ['another audience', { aud: 'https://oauth2.example/token' }, keys.privateKey],
    ['another scope', { scope: 'https://www.googleapis.com/auth/adwords' }, keys.privateKey],
    ['more than an hour', { exp: nowSeconds() + 7_200 }, keys.privateKey],
    ['the past', { iat: nowSeconds() - 7_200, exp: nowSeconds() - 3_600 }, keys.privateKey],
  ])('refuses %s', async (_, claims, key) => {
    const google = await serving('google-data-manager', { serviceAccountPublicKey });
    expect(await grant(google, assertion(google, claims, key))).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  test('nothing without a token, whatever it asks', async () => {
    const google = await serving('google-data-manager', { serviceAccountPublicKey });
    expect((await google.call('POST', '/v1/audienceMembers:remove', {})).status).toBe(401);
  });
});

describe('audience members', () => {
  test('200 only means queued: the list changes when the job runs, and the status says so', async () => {
    const google = await start();
    const added = await google.members('ingest', [ann]);
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [] });
    expect(await requestStatus(google, idOf(added))).toMatchObject({ requestStatus: 'PROCESSING' });
    await google.advanceClock(1_800_000);
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [list] });
    expect(await requestStatus(google, idOf(added))).toMatchObject({
      requestStatus: 'SUCCESS',
      audienceMembersIngestionStatus: { userDataIngestionStatus: { recordCount: '1', userIdentifierCount: '1' } },
    });
  });

  test('jobs run in the order they were accepted; removing what is not there succeeds and counts what was sent', async () => {
    const google = await start();
    await google.members('ingest', [ann]);
    const removed = await google.members('remove', [ann, hash('nobody')]);
    await google.advanceClock(1_800_000);
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [] });
    expect(await requestStatus(google, idOf(removed))).toMatchObject({
      requestStatus: 'SUCCESS',
      audienceMembersRemovalStatus: { userDataRemovalStatus: { recordCount: '2' } },
    });
    const done = (await google.effects()).filter(({ what }) => ['added', 'removed', 'absent'].includes(what));
    expect(done.map(({ what }) => what)).toEqual(['added', 'removed', 'absent']);
  });

  test.each([
    [{ kind: 'failLater' }, 'FAILED', [list]],
    [{ kind: 'failLater', rows: 1 }, 'PARTIAL_SUCCESS', [list]],
    [{ kind: 'failLater', rows: 0 }, 'SUCCESS', []],
  ] as const)('%j: accepted, then %s', async (fault, expected, lists) => {
    const google = await start();
    await google.members('ingest', [ann, hash('b')]);
    await google.setFaults(fault);
    const removed = await google.members('remove', [ann, hash('b')]);
    expect(removed.status).toBe(200);
    await google.advanceClock(1_800_000);
    expect(await requestStatus(google, idOf(removed))).toMatchObject({ requestStatus: expected });
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: lists });
  });

  test('EEA: without both signals granted an ingest succeeds and adds nobody', async () => {
    const google = await start({ processingMs: 0 });
    const consent = { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_DENIED' };
    expect((await google.members('ingest', [ann], { consent })).status).toBe(200);
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [] });
  });

  test('fast-fail: one bad record and nothing of the request is done; the record is named', async () => {
    const google = await start({ processingMs: 0 });
    const reply = await google.members('ingest', [ann, 'ann@b.de', 'ab12']);
    expect(reply).toMatchObject({ status: 400, body: { error: { status: 'INVALID_ARGUMENT' } } });
    expect(violations(reply)).toMatchObject([
      { field: 'audience_members[1].user_data.user_identifiers[0]', reason: 'INVALID_HEX_ENCODING' },
      { field: 'audience_members[2].user_data.user_identifiers[0]', reason: 'INVALID_SHA256_FORMAT' },
    ]);
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [] });
  });

  test.each([
    [
      'unknown user list',
      'remove',
      { destinations: [destination({ productDestinationId: '1' })] },
      'INVALID_USER_LIST_ID',
    ],
    ['no destination', 'remove', { destinations: [] }, 'REQUIRED_FIELD_MISSING'],
    ['no encoding', 'remove', { encoding: undefined }, 'REQUIRED_FIELD_MISSING'],
    ['no terms', 'ingest', { termsOfService: undefined }, 'TERMS_AND_CONDITIONS_NOT_SIGNED'],
    ['an unknown consent', 'ingest', { consent: { adUserData: 'YES' } }, 'INVALID_ENUM_VALUE'],
    ['no member', 'remove', { audienceMembers: [] }, 'REQUIRED_FIELD_MISSING'],
    [
      '10,001 members',
      'remove',
      { audienceMembers: Array.from({ length: 10_001 }, () => memberWith(ann)) },
      'TOO_MANY_AUDIENCE_MEMBERS',
    ],
    [
      'mixed kinds',
      'remove',
      { audienceMembers: [memberWith(ann), { ppidData: {}, userData: memberWith(ann).userData }] },
      'MULTIPLE_DATA_TYPES_NOT_ALLOWED',
    ],
  ] as const)('refuses %s', async (_, method, more, reason) => {
    const google = await start();
    const reply = await google.members(method, [ann], more);
    expect(reply.status).toBe(400);
    expect(violations(reply)).toMatchObject([{ reason }]);
  });

  test('a removal has no consent field', async () => {
    const google = await start();
    const reply = await google.members('remove', [ann], { consent: { adUserData: 'CONSENT_DENIED' } });
    expect(reply).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining('consent') } } });
  });

  test('a dry run has no request id and does nothing', async () => {
    const google = await start({ processingMs: 0 });
    expect(await google.members('ingest', [ann], { validateOnly: true })).toMatchObject({ status: 200, text: '{}' });
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [] });
  });

  test('what is queued survives the process, tokens included', async () => {
    const first = await start();
    const added = await first.members('ingest', [ann]);
    await first.stop();
    const second = await serving('google-data-manager', { serviceAccountPublicKey, journal: first.file });
    await second.advanceClock(1_800_000);
    expect(await second.state(ann)).toEqual({ identifier: ann, userLists: [list] });
    expect(idOf(added)).not.toBe('');
  });
});

describe('faults', () => {
  test.each([
    [{ kind: 'throttle' }, 429, 'RESOURCE_EXHAUSTED'],
    [{ kind: 'status', code: 409 }, 409, 'ABORTED'],
    [{ kind: 'status', code: 503 }, 503, 'UNAVAILABLE'],
    [{ kind: 'authExpired' }, 401, 'UNAUTHENTICATED'],
  ] as const)('%j', async (fault, status, name) => {
    const google = await start();
    await google.setFaults(fault);
    expect(await google.members('remove', [ann])).toMatchObject({ status, body: { error: { status: name } } });
  });

  test('throttled: the quota is named', async () => {
    const google = await start({ rate: { requests: 1, perMs: 60_000 } });
    const reply = await google.members('remove', [ann]);
    expect(reply.body['error']?.['details']?.['0']).toMatchObject({
      metadata: { quota_limit: 'IngestionRequestsPerMinutePerProject' },
    });
  });

  test('lie: 200 of a dry run, nothing queued', async () => {
    const google = await start({ processingMs: 0 });
    await google.members('ingest', [ann]);
    await google.setFaults({ kind: 'lie' });
    expect(await google.members('remove', [ann])).toMatchObject({ status: 200, text: '{}' });
    expect(await google.state(ann)).toEqual({ identifier: ann, userLists: [list] });
  });
});

function destination(more: object): object {
  return {
    operatingAccount: { accountType: 'GOOGLE_ADS', accountId: '1234567890' },
    productDestinationId: list,
    ...more,
  };
}

function memberWith(emailAddress: string): { readonly userData: object } {
  return { userData: { userIdentifiers: [{ emailAddress }] } };
}
