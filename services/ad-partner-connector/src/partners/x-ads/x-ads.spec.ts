import { purposeId, subjectKey, type PurposeId } from '@entente/contracts';
import type { PartnerContext, Revocation } from '@entente/connector-runtime';
import type { HttpRequest, Sent } from '@entente/gate';
import { createLogger } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { changeUsers, readUsers } from './client.ts';
import { xAds } from './definition.ts';
import { emailsOf, userLimit } from './plan.ts';
import { XAdsSettings } from './settings.ts';
import { authorization } from './signature.ts';

const [ads, lookalikes] = [purposeId('ads'), purposeId('lookalikes')];
const given = {
  consumerKey: 'ck',
  consumerSecret: 'cs',
  accessToken: 'at',
  accessTokenSecret: 'ats',
  accountId: '18ce54d4x5t',
  audiences: { ads: 'a1', lookalikes: 'a2' },
};
const settingsOf = (more: object = {}): XAdsSettings => plainToInstance(XAdsSettings, { ...given, ...more });
const hash = (character: string): string => character.repeat(64);
const person = (letter: string, allowed: PurposeId[] = [], sets = 1): Revocation => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  version: 2,
  identifiers: Array.from({ length: sets }, (_, index) => ({
    'x-email': hash(letter).slice(6) + String(100_000 + index),
  })),
  allowed,
  stopped: [],
  recipientPurposes: [ads, lookalikes],
});
const occasion = { nonce: 'n', timestamp: 1_000 };

describe('settings', () => {
  const faults = (more: object): string[] =>
    validateSync(settingsOf(more), { whitelist: true, forbidNonWhitelisted: true }).flatMap(({ constraints }) =>
      Object.values(constraints ?? {}),
    );
  test('four keys, an account and its audiences', () => expect(faults({})).toEqual([]));
  test.each([
    [{ consumerSecret: undefined }, /^consumerSecret must be a string/],
    [{ accessTokenSecret: '' }, /^accessTokenSecret should not be empty/],
    [{ accountId: '@me' }, /^accountId must be lower-case letters and digits/],
    [{ audiences: {} }, /^audiences must name a custom audience id/],
    [{ audiences: { ads: 'a/b' } }, /^audiences must name a custom audience id/],
    [{ version: 'v12' }, /^version must be a number such as 12/],
    [{ baseUrl: 'ads-api.x.com' }, /^baseUrl must be a URL/],
    [{ bearerToken: 'x' }, /^property bearerToken should not exist/],
  ])('%j', (more, expected) => expect(faults(more).some((fault) => expected.test(fault))).toBe(true));
});

describe('the signature', () => {
  test('of the example in OAuth Core 1.0 Revision A, Appendix A.5', () => {
    const keys = {
      consumerKey: 'dpf43f3p2l4k3l03',
      consumerSecret: 'kd94hf93k423kf44',
      accessToken: 'nnch734d00sl2jdk',
      accessTokenSecret: 'pfkkdhi9sl3r4s00',
    };
    const url = new URL('http://photos.example.net/photos?file=vacation.jpg&size=original');
    const header = authorization('GET', url, keys, { nonce: 'kllo9940pd9333jh', timestamp: 1_191_242_096 });
    expect(header).toContain('oauth_signature="tR3%2BTy81lMeYAr%2FFid0kMTYa%2FWM%3D"');
  });

  test('escapes what RFC 3986 reserves, in keys and parameters alike', () => {
    const keys = { ...given, consumerSecret: "c!*'()", accessToken: 'a b+c' };
    const header = authorization('POST', new URL('https://ads-api.x.com/12/x?q=(a)%20b'), keys, occasion);
    expect(header).toContain('oauth_token="a%20b%2Bc"');
    const plain = authorization('POST', new URL('https://ads-api.x.com/12/x?q=(a)%20c'), keys, occasion);
    expect(plain).not.toBe(header);
  });
});

describe('the plan', () => {
  test('every hash recorded, each once', () => {
    expect(emailsOf([{ 'x-email': 'h' }, { 'x-email': 'h' }, { 'meta-email': 'm' }])).toEqual(['h']);
  });

  test('as many users as a request may have take fewer bytes than X reads', () => {
    const fullest = changeUsers(settingsOf(), 'Delete', 'a1', [Array<string>(userLimit).fill(hash('a'))], occasion);
    expect(String(fullest.body).length).toBeLessThan(5_000_000);
  });
});

describe('requests and answers', () => {
  test('one operation per person, one user per hash; no secret in the URL', () => {
    const request = changeUsers(settingsOf(), 'Delete', 'a1', [[hash('a'), hash('b')], [hash('c')]], occasion);
    expect(request.url.href).toBe('https://ads-api.x.com/12/accounts/18ce54d4x5t/custom_audiences/a1/users');
    expect(JSON.parse(String(request.body))).toEqual([
      { operation_type: 'Delete', params: { users: [{ email: [hash('a')] }, { email: [hash('b')] }] } },
      { operation_type: 'Delete', params: { users: [{ email: [hash('c')] }] } },
    ]);
    expect(request.headers['content-length']).toBe(String(String(request.body).length));
  });

  const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });
  const read = (from: ReturnType<typeof answer>): string => {
    const result = readUsers(from, { persons: 2, users: 3 }, 1_000_000);
    if (result.kind === 'bad-rows') return `bad-rows: ${[...result.indexes].join()}`;
    if (result.kind !== 'all') return result.kind;
    const { outcome } = result;
    return `${outcome.kind}: ${'why' in outcome ? outcome.why : ''}`;
  };
  const counts = (success_count: unknown, total_count: unknown) => ({ data: { success_count, total_count } });
  const errors = (code: string) => ({ errors: [{ code, message: 'm' }] });
  test.each([
    ['both counts as sent', answer(200, counts(3, 3)), 'applied: '],
    ['fewer successes', answer(200, counts(2, 3)), 'retry: counts-differ'],
    ['fewer in all', answer(200, counts(2, 2)), 'retry: counts-differ'],
    ['counts as text', answer(200, counts('3', '3')), 'unclear: unexpected-answer'],
    ['no counts', answer(200, {}), 'unclear: unexpected-answer'],
    ['errors beside counts', answer(200, { ...counts(3, 3), ...errors('X') }), 'unclear: unexpected-answer'],
    ['not JSON', answer(200, undefined), 'unclear: unexpected-answer'],
    ['an item', answer(400, { operation_errors: [[], [{ code: 'INVALID_PARAMETER' }]] }), 'bad-rows: 1'],
    ['the batch', answer(400, errors('INVALID_PARAMETER')), 'refused: rejected'],
    ['a 400 that says nothing', answer(400, {}), 'some-bad'],
    ['a 400 of something else', answer(400, undefined), 'refused: rejected'],
    ['keys', answer(401, errors('UNAUTHORIZED_ACCESS')), 'refused: authentication'],
    ['no access', answer(403, errors('FORBIDDEN')), 'refused: permission'],
    ['unknown audience', answer(404, errors('NOT_FOUND')), 'refused: audience-missing'],
    ['a bare 404', answer(404, undefined), 'refused: status-404'],
    ['throttled', answer(429, errors('TOO_MANY_REQUESTS')), 'retry: throttled'],
    ['over capacity', answer(503, errors('OVER_CAPACITY')), 'retry: status-503'],
  ])('%s -> %s', (_, from, expected) => expect(read(from)).toBe(expected));

  test('throttled: until the later of the windows that are used up', () => {
    const outcome = (headers: object) => readUsers(answer(429, {}, headers), { persons: 1, users: 1 }, 1_000_000);
    const until = (afterMs: number) => ({ kind: 'all', outcome: { kind: 'retry', why: 'throttled', afterMs } });
    const application = { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '1030' };
    expect(outcome(application)).toEqual(until(30_000));
    const account = { 'x-account-rate-limit-remaining': '0', 'x-account-rate-limit-reset': '1060' };
    expect(outcome({ ...application, ...account })).toEqual(until(60_000));
    expect(outcome({ ...application, ...account, 'x-account-rate-limit-remaining': '5' })).toEqual(until(30_000));
    expect(outcome({ 'x-rate-limit-reset': '900' })).toEqual(until(0));
  });
});

describe('revoking', () => {
  /** A context whose calls are answered by `reply` for the first letters of the hashes in the request. */
  function contextOf(reply: (persons: string[]) => { readonly status: number; readonly body: unknown } | null) {
    const asked: string[] = [];
    const call = (request: HttpRequest): Promise<Sent> => {
      const operations = JSON.parse(String(request.body)) as { params: { users: { email: string[] }[] } }[];
      const persons = operations.map(({ params }) => params.users[0]?.email[0]?.[0] ?? '');
      asked.push(persons.join(''));
      const result = reply(persons);
      if (result === null) return Promise.resolve({ kind: 'unclear', why: 'timeout' });
      const body = Buffer.from(JSON.stringify(result.body));
      return Promise.resolve({ kind: 'answered', response: { status: result.status, headers: {}, body } });
    };
    const context: PartnerContext<XAdsSettings> = {
      recipient: 'x-ads' as never,
      purposes: [ads],
      settings: settingsOf(),
      egress: { share: () => Promise.reject(new Error('nothing is shared here')) },
      call,
      allowed: () => [],
      now: () => 1_000_000,
      log: createLogger({ service: 'test', level: 'silent' }),
      signal: new AbortController().signal,
    };
    return { context, asked };
  }
  const revoked = async (letters: string, context: PartnerContext<XAdsSettings>): Promise<string[]> => {
    const batch = [...letters].map((letter) => ({ ...person(letter), recipientPurposes: [ads] }));
    return (await xAds.revoke(batch, context)).map(({ kind }) => kind);
  };
  const ok = (persons: string[]) => ({
    status: 200,
    body: { data: { success_count: persons.length, total_count: persons.length } },
  });

  test('a bad person that X names goes alone; the rest is sent again without them', async () => {
    const { context, asked } = contextOf((persons) =>
      persons.includes('c')
        ? { status: 400, body: { operation_errors: persons.map((each) => (each === 'c' ? [{ code: 'X' }] : [])) } }
        : ok(persons),
    );
    expect(await revoked('abcd', context)).toEqual(['applied', 'applied', 'refused', 'applied']);
    expect(asked).toEqual(['abcd', 'abd']);
  });

  test('ACK-TRUTH: a person without any hash of this partner’s is never taken for removed with the others', async () => {
    const { context, asked } = contextOf(ok);
    const batch = [person('a'), { ...person('b'), identifiers: [{ 'meta-email': hash('b') }] }];
    const outcomes = await xAds.revoke(
      batch.map((each) => ({ ...each, recipientPurposes: [ads] })),
      context,
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(['applied', 'refused']);
    expect(outcomes[1]).toMatchObject({ why: 'missing-identifier' });
    expect(asked).toHaveLength(1);
  });

  test('one that X does not name is found by halves', async () => {
    const { context, asked } = contextOf((persons) =>
      persons.includes('c') ? { status: 400, body: {} } : ok(persons),
    );
    expect(await revoked('abcd', context)).toEqual(['applied', 'applied', 'refused', 'applied']);
    expect(asked).toEqual(['abcd', 'ab', 'cd', 'c', 'd']);
  });

  test('ACK-TRUTH: counts that differ and lost answers are for all of a request', async () => {
    expect(await revoked('ab', contextOf(() => ok(['a'])).context)).toEqual(['retry', 'retry']);
    expect(await revoked('ab', contextOf(() => null).context)).toEqual(['unclear', 'unclear']);
  });
});
