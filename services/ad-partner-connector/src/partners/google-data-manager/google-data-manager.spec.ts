import { purposeId, subjectKey, type PurposeId } from '@entente/contracts';
import type { PartnerContext, Revocation } from '@entente/connector-runtime';
import type { HttpRequest, Sent } from '@entente/gate';
import { createLogger } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { jwtVerify } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { ingestMembers, readMembers } from './client.ts';
import { googleDataManager } from './definition.ts';
import { membersOf } from './plan.ts';
import { GoogleDataManagerSettings } from './settings.ts';

const [ads, lookalikes] = [purposeId('ads'), purposeId('lookalikes')];
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const given = {
  clientEmail: 'entente@project.iam.gserviceaccount.com',
  privateKey: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  accountId: '1234567890',
  audiences: { ads: '11', lookalikes: '22' },
  customerMatchTermsAccepted: true,
};
const settingsOf = (more: object = {}): GoogleDataManagerSettings =>
  plainToInstance(GoogleDataManagerSettings, { ...given, ...more });
const hash = (character: string): string => character.repeat(64);
const person = (letter: string, allowed: PurposeId[] = [], sets = 1): Revocation => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  version: 2,
  identifiers: Array.from({ length: sets }, (_, index) => ({
    'google-email': hash(letter).slice(6) + String(100_000 + index),
  })),
  allowed,
  stopped: [],
  recipientPurposes: [ads, lookalikes],
});

describe('settings', () => {
  const faults = (more: object): string[] =>
    validateSync(settingsOf(more), { whitelist: true, forbidNonWhitelisted: true }).flatMap(({ constraints }) =>
      Object.values(constraints ?? {}),
    );
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  test('those of a service account key, an account and its user lists', () => expect(faults({})).toEqual([]));
  test.each([
    [{ privateKey: 'secret' }, /^privateKey must be an RSA key in PEM/],
    [{ privateKey: ec.toString() }, /^privateKey must be an RSA key in PEM/],
    [{ clientEmail: 'nobody' }, /^clientEmail must be the client_email/],
    [{ accountId: '123-456-7890' }, /^accountId must be digits only/],
    [{ loginAccountId: 'me' }, /^loginAccountId must be digits only/],
    [{ audiences: {} }, /^audiences must name a user list id/],
    [{ audiences: { ads: 11 } }, /^audiences must name a user list id/],
    [{ customerMatchTermsAccepted: false }, /^customerMatchTermsAccepted must be true/],
    [{ accountType: 'ADWORDS' }, /^accountType must be one of/],
    [{ withoutPersonalisation: 'ads' }, /^withoutPersonalisation must be an array/],
    [{ developerToken: 'x' }, /^property developerToken should not exist/],
  ])('%j', (more, expected) => {
    const found = faults(more);
    expect(found.some((fault) => expected.test(fault))).toBe(true);
    expect(found.join()).not.toContain('secret');
  });
});

describe('the plan', () => {
  test('each set once, without what is not Google’s', () => {
    const set = { 'google-email': hash('a'), 'meta-email': hash('c') };
    expect(membersOf([set, set, { 'google-phone': hash('b') }, { 'meta-email': hash('c') }])).toEqual([
      { emailAddress: hash('a') },
      { phoneNumber: hash('b') },
    ]);
  });
});

describe('requests', () => {
  const bodyOf = (request: HttpRequest): unknown => JSON.parse(String(request.body));
  test('an ingest names account, list, hashes, consent and terms; the token is in no URL', () => {
    const request = ingestMembers(
      settingsOf({ loginAccountId: '99' }),
      'tok',
      '11',
      [{ emailAddress: hash('a') }],
      true,
    );
    expect(request.url.href).toBe('https://datamanager.googleapis.com/v1/audienceMembers:ingest');
    expect(request.headers['authorization']).toBe('Bearer tok');
    expect(bodyOf(request)).toEqual({
      destinations: [
        {
          operatingAccount: { accountType: 'GOOGLE_ADS', accountId: '1234567890' },
          loginAccount: { accountType: 'GOOGLE_ADS', accountId: '99' },
          productDestinationId: '11',
        },
      ],
      audienceMembers: [{ userData: { userIdentifiers: [{ emailAddress: hash('a') }] } }],
      encoding: 'HEX',
      consent: { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_GRANTED' },
      termsOfService: { customerMatchTermsOfServiceStatus: 'ACCEPTED' },
    });
    expect(bodyOf(ingestMembers(settingsOf(), 'tok', '11', [], false))).toMatchObject({
      consent: { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_DENIED' },
    });
  });
});

const badRequest = (...fieldViolations: object[]) => ({
  error: { status: 'INVALID_ARGUMENT', details: [{ '@type': 'x/google.rpc.BadRequest', fieldViolations }] },
});

describe('answers', () => {
  const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });
  const read = (given: ReturnType<typeof answer>): string => {
    const result = readMembers(given, 3, 0);
    if (result.kind === 'bad-rows') return `bad-rows: ${[...result.indexes].join()}`;
    if (result.kind !== 'all') return result.kind;
    const { outcome } = result;
    return `${outcome.kind}: ${'why' in outcome ? outcome.why : (outcome.reference ?? '')}`;
  };
  const quota = (quota_limit: string) => ({ error: { details: [{ metadata: { quota_limit } }] } });
  test.each([
    ['queued', answer(200, { requestId: 'r-1' }), 'applied: r-1'],
    ['a dry run’s answer', answer(200, {}), 'unclear: unexpected-answer'],
    ['an empty id', answer(200, { requestId: '' }), 'unclear: unexpected-answer'],
    ['not JSON', answer(200, undefined), 'unclear: unexpected-answer'],
    ['bad members', answer(400, badRequest({ field: 'audience_members[2].user_data' })), 'bad-rows: 2'],
    ['another way to write the path', answer(400, badRequest({ field: 'x.audienceMembers[0]' })), 'bad-rows: 0'],
    [
      'wrong list',
      answer(400, badRequest({ field: 'destinations[0].x', reason: 'INVALID_USER_LIST_ID' })),
      'refused: audience-missing',
    ],
    [
      'terms',
      answer(400, badRequest({ field: 'terms_of_service', reason: 'TERMS_AND_CONDITIONS_NOT_SIGNED' })),
      'refused: terms-not-accepted',
    ],
    ['a refusal that names no field', answer(400, badRequest({ description: 'bad' })), 'some-bad'],
    ['a member that was not sent', answer(400, badRequest({ field: 'audience_members[9]' })), 'refused: rejected'],
    ['a 400 of something else', answer(400, undefined), 'refused: status-400'],
    ['token', answer(401, {}), 'refused: authentication'],
    ['permission', answer(403, {}), 'refused: permission'],
    ['a bare 404', answer(404, {}), 'refused: status-404'],
    ['concurrent change', answer(409, {}), 'retry: partner-error'],
    ['throttled', answer(429, quota('RequestsPerMinutePerProject')), 'retry: throttled'],
    ['unavailable', answer(503, undefined), 'retry: status-503'],
  ])('%s -> %s', (_, given, expected) => expect(read(given)).toBe(expected));

  test('a quota of the day pauses for an hour, one of the minute for a backoff', () => {
    const outcome = (json: unknown, headers = {}) => readMembers(answer(429, json, headers), 1, 0);
    const throttled = { kind: 'retry', why: 'throttled' };
    expect(outcome(quota('RequestsPerMinutePerProject'))).toEqual({ kind: 'all', outcome: throttled });
    expect(outcome(quota('RequestsPerDayPerProject'))).toEqual({
      kind: 'all',
      outcome: { ...throttled, afterMs: 3_600_000 },
    });
    expect(outcome({}, { 'retry-after': '7' })).toEqual({ kind: 'all', outcome: { ...throttled, afterMs: 7_000 } });
  });
});

describe('revoking', () => {
  type Reply = { readonly status: number; readonly body: unknown } | 'no-answer';
  /** A context whose calls are answered by `reply`; the token endpoint grants t1, t2, … */
  function contextOf(reply: (members: string[], token: string) => Reply) {
    const asked: string[] = [];
    const assertions: string[] = [];
    const settings = settingsOf();
    let grants = 0;
    const answered = (status: number, body: unknown): Sent => ({
      kind: 'answered',
      response: { status, headers: {}, body: Buffer.from(JSON.stringify(body)) },
    });
    const call = (request: HttpRequest): Promise<Sent> => {
      if (request.url.pathname === '/token') {
        assertions.push(new URLSearchParams(String(request.body)).get('assertion') ?? '');
        grants += 1;
        return Promise.resolve(answered(200, { access_token: `t${grants}`, expires_in: 3_600 }));
      }
      const { audienceMembers } = JSON.parse(String(request.body)) as {
        audienceMembers: { userData: { userIdentifiers: { emailAddress: string }[] } }[];
      };
      const members = audienceMembers.map(({ userData }) => userData.userIdentifiers[0]?.emailAddress[0] ?? '');
      const token = request.headers['authorization']?.slice('Bearer '.length) ?? '';
      asked.push(`${members.join('')} ${token}`);
      const result = reply(members, token);
      return Promise.resolve(
        result === 'no-answer' ? { kind: 'unclear', why: 'timeout' } : answered(result.status, result.body),
      );
    };
    const context: PartnerContext<GoogleDataManagerSettings> = {
      recipient: 'google-ads' as never,
      purposes: [ads],
      settings,
      egress: { share: () => Promise.reject(new Error('nothing is shared here')) },
      call,
      allowed: () => [],
      now: () => 1_000_000,
      log: createLogger({ service: 'test', level: 'silent' }),
      signal: new AbortController().signal,
    };
    return { context, asked, assertions };
  }
  const revoked = async (letters: string, context: PartnerContext<GoogleDataManagerSettings>): Promise<string[]> => {
    const batch = [...letters].map((letter) => ({ ...person(letter), recipientPurposes: [ads] }));
    return (await googleDataManager.revoke(batch, context)).map(({ kind }) => kind);
  };
  const ok: Reply = { status: 200, body: { requestId: 'r' } };

  test('a bad member that Google names goes alone; the rest is sent again without it', async () => {
    const { context, asked } = contextOf((members) =>
      members.includes('c')
        ? { status: 400, body: badRequest({ field: `audience_members[${members.indexOf('c')}]` }) }
        : ok,
    );
    expect(await revoked('abcd', context)).toEqual(['applied', 'applied', 'refused', 'applied']);
    expect(asked).toEqual(['abcd t1', 'abd t1']);
  });

  test('ACK-TRUTH: a person without any hash of this partner’s is never taken for removed with the others', async () => {
    const { context, asked } = contextOf(() => ok);
    const batch = [person('a'), { ...person('b'), identifiers: [{ 'meta-email': hash('b') }] }];
    const outcomes = await googleDataManager.revoke(
      batch.map((each) => ({ ...each, recipientPurposes: [ads] })),
      context,
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(['applied', 'refused']);
    expect(outcomes[1]).toMatchObject({ why: 'missing-identifier' });
    expect(asked).toHaveLength(1);
  });

  test('one that Google does not name is found by halves', async () => {
    const { context, asked } = contextOf((members) =>
      members.includes('c') ? { status: 400, body: badRequest({ description: 'bad' }) } : ok,
    );
    expect(await revoked('abcd', context)).toEqual(['applied', 'applied', 'refused', 'applied']);
    expect(asked).toEqual(['abcd t1', 'ab t1', 'cd t1', 'c t1', 'd t1']);
  });

  test('a lost answer to the rest is unclear for the rest alone', async () => {
    const { context } = contextOf((members) =>
      members.includes('c') ? { status: 400, body: badRequest({ field: 'audience_members[2]' }) } : 'no-answer',
    );
    expect(await revoked('abc', context)).toEqual(['unclear', 'unclear', 'refused']);
  });

  test('one token serves many calls; a refused one is renewed once, then a person must look', async () => {
    const first = contextOf((_, token) => (token === 't1' ? ok : { status: 401, body: {} }));
    expect([await revoked('a', first.context), await revoked('b', first.context)]).toEqual([['applied'], ['applied']]);
    expect(first.assertions).toHaveLength(1);
    const renewed = contextOf((_, token) => (token === 't2' ? ok : { status: 401, body: {} }));
    expect(await revoked('a', renewed.context)).toEqual(['applied']);
    expect(renewed.asked).toEqual(['a t1', 'a t2']);
    const never = contextOf(() => ({ status: 401, body: {} }));
    expect(await revoked('a', never.context)).toEqual(['refused']);
    expect(never.asked).toEqual(['a t1', 'a t2']);
  });

  test('DLV-4: what may have happened stays unclear when the rest is refused for its token', async () => {
    const { context, asked } = contextOf((members, token) => {
      if (members.length > 2) return { status: 400, body: badRequest({ description: 'bad' }) };
      if (members.includes('a')) return 'no-answer';
      return token === 't1' ? { status: 401, body: {} } : ok;
    });
    expect(await revoked('abcd', context)).toEqual(['unclear', 'unclear', 'applied', 'applied']);
    expect(asked).toEqual(['abcd t1', 'ab t1', 'cd t1', 'cd t2']);
  });

  test('the assertion is signed for the token endpoint, for an hour, for this scope', async () => {
    const { context, assertions } = contextOf(() => ok);
    await revoked('a', context);
    const { payload, protectedHeader } = await jwtVerify(assertions[0] ?? '', keys.publicKey, {
      issuer: given.clientEmail,
      audience: 'https://oauth2.googleapis.com/token',
      currentDate: new Date(1_000_000),
    });
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT' });
    expect(payload).toMatchObject({ iat: 1_000, exp: 4_600, scope: 'https://www.googleapis.com/auth/datamanager' });
  });
});
