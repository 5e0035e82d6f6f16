import { recipientId } from '@entente/contracts';
import type { HttpRequest, Sent } from '@entente/gate';
import { createLogger } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { accessTokens, serviceAccountGrant } from './access-tokens.ts';
import type { PartnerContext } from './definition.ts';
import type { Outcome } from './outcome.ts';

interface Settings {
  readonly tokenUrl: string;
}

const answered = (status: number, body: unknown): Sent => ({
  kind: 'answered',
  response: { status, headers: {}, body: Buffer.from(JSON.stringify(body)) },
});
const applied: Outcome = { kind: 'applied' };
const refused: Outcome = { kind: 'refused', why: 'authentication' };

/** Grants t1, t2, … for an hour each, unless told otherwise. */
function scenario(
  reply: (grant: number) => Sent = (grant) => answered(200, { access_token: `t${grant}`, expires_in: 3_600 }),
) {
  let grants = 0;
  let now = 0;
  const context: PartnerContext<Settings> = {
    recipient: recipientId('recipient-1'),
    purposes: [],
    settings: { tokenUrl: 'https://token.test' },
    egress: { share: () => Promise.reject(new Error('nothing is shared here')) },
    call: () => Promise.resolve(reply((grants += 1))),
    allowed: () => [],
    now: () => now,
    log: createLogger({ service: 'test', level: 'silent' }),
    signal: new AbortController().signal,
  };
  const withToken = accessTokens<Settings>(({ tokenUrl }): HttpRequest => ({
    method: 'POST',
    url: new URL(tokenUrl),
    headers: {},
  }));
  const used: string[] = [];
  const send = (outcomesOf: (token: string, item: string) => Outcome) => (items: readonly string[]) =>
    withToken(context, items, (token, some) => {
      used.push(`${token} ${some.join()}`);
      return Promise.resolve(some.map((item) => outcomesOf(token, item)));
    });
  return { send, used, pass: (ms: number) => (now += ms) };
}

describe('access tokens', () => {
  test('one serves until shortly before its end', async () => {
    const { send, used, pass } = scenario();
    const go = send(() => applied);
    await go(['a']);
    pass(3_539_000);
    await go(['b']);
    pass(2_000);
    await go(['c']);
    expect(used).toEqual(['t1 a', 't1 b', 't2 c']);
  });

  test('one whose end the server does not tell serves until it is refused', async () => {
    const { send, used, pass } = scenario((grant) => answered(200, { access_token: `t${grant}` }));
    await send(() => applied)(['a']);
    pass(86_400_000);
    await send((token) => (token === 't1' ? refused : applied))(['b']);
    expect(used).toEqual(['t1 a', 't1 b', 't2 b']);
  });

  test('whoever needs one while it is asked for waits for the same', async () => {
    const { send, used } = scenario();
    const go = send(() => applied);
    await Promise.all([go(['a']), go(['b'])]);
    expect(used).toEqual(['t1 a', 't1 b']);
  });

  test('what is refused for its token goes again with a new one, once; the rest keeps its outcome', async () => {
    const { send, used } = scenario();
    const outcomes = await send((token, item) => (token === 't1' && item === 'b' ? refused : applied))(['a', 'b', 'c']);
    expect([outcomes, used]).toEqual([
      [applied, applied, applied],
      ['t1 a,b,c', 't2 b'],
    ]);
    expect(await send(() => refused)(['d'])).toEqual([refused]);
    expect(used.slice(2)).toEqual(['t2 d', 't3 d']);
  });

  test.each([
    [answered(200, { expires_in: 3_600 }), { kind: 'retry', why: 'token-unavailable' }],
    [answered(200, '<html>'), { kind: 'retry', why: 'token-unavailable' }],
    [answered(400, { error: 'invalid_grant' }), { kind: 'refused', why: 'authentication' }],
    [answered(401, { error: 'invalid_client' }), { kind: 'refused', why: 'authentication' }],
    [answered(503, {}), { kind: 'retry', why: 'status-503' }],
    [
      { kind: 'unclear', why: 'timeout' },
      { kind: 'retry', why: 'token-unavailable' },
    ],
  ] as const)('without a token nothing is sent, and nothing is unclear: %#', async (sent, outcome) => {
    const { send, used } = scenario(() => sent);
    expect(await send(() => applied)(['a', 'b'])).toEqual([outcome, outcome]);
    expect(used).toEqual([]);
  });
});

test('a service account asks with an assertion signed for the token endpoint, for an hour', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = {
    tokenUrl: 'https://oauth2.test/token',
    clientEmail: 'a@b.iam',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    privateKeyId: 'k1',
  };
  const { url, headers, body } = await serviceAccountGrant(account, 'scope-1', 1_700_000_000_500);
  expect([url.href, headers['content-type']]).toEqual([
    'https://oauth2.test/token',
    'application/x-www-form-urlencoded',
  ]);
  const form = new URLSearchParams(String(body));
  expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
  const assertion = form.get('assertion') ?? '';
  expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' });
  expect(decodeJwt(assertion)).toEqual({
    scope: 'scope-1',
    iss: 'a@b.iam',
    aud: 'https://oauth2.test/token',
    iat: 1_700_000_000,
    exp: 1_700_003_600,
  });
  await expect(jwtVerify(assertion, publicKey, { currentDate: new Date(1_700_000_000_000) })).resolves.toBeDefined();
});
