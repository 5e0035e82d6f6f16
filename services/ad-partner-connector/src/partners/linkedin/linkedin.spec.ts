import type { Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { createLogger } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ads, answered, contextOf, hash, lookalikes, revocationOf } from '../../testing/partner-context.ts';
import { changeUsers, readUsers } from './client.ts';
import { linkedInMatchedAudiences } from './definition.ts';
import { emailsOf, monthsToSunset } from './plan.ts';
import { LinkedInSettings } from './settings.ts';

const given = { accessToken: 'secret-token', audiences: { ads: '11', lookalikes: '22' } };
const settingsOf = (more: object = {}): LinkedInSettings => plainToInstance(LinkedInSettings, { ...given, ...more });
const renewing = { accessToken: undefined, refreshToken: 'r', clientId: 'c', clientSecret: 's' };

describe('settings', () => {
  const faults = (more: object): string[] =>
    validateSync(settingsOf(more), { whitelist: true, forbidNonWhitelisted: true }).flatMap(({ constraints }) =>
      Object.values(constraints ?? {}),
    );
  test.each([[{}], [renewing]])('complete: %j', (more) => expect(faults(more)).toEqual([]));
  test.each([
    [{ accessToken: undefined }, /^accessToken, or refreshToken with clientId and clientSecret, must be given/],
    [{ accessToken: '' }, /^accessToken should not be empty/],
    [{ ...renewing, clientSecret: undefined }, /^clientSecret must be a string/],
    [{ ...renewing, refreshToken: undefined }, /^refreshToken must be a string/],
    [{ version: '2026-04' }, /^version must be the year and month/],
    [{ version: '202613' }, /^version must be the year and month/],
    [{ audiences: {} }, /^audiences must name a DMP segment id/],
    [{ audiences: { ads: 'urn:li:dmpSegment:1' } }, /^audiences must name a DMP segment id/],
    [{ tokenUrl: 'www.linkedin.com' }, /^tokenUrl must be a URL/],
    [{ accountId: '1' }, /^property accountId should not exist/],
  ])('%j', (more, expected) => expect(faults(more).some((fault) => expected.test(fault))).toBe(true));
});

describe('requests', () => {
  test('one element per hash, exactly as recorded and each once, with the headers LinkedIn demands', () => {
    expect(emailsOf([{ 'linkedin-email': 'h' }, { 'linkedin-email': 'h' }, { 'x-email': 'x' }])).toEqual(['h']);
    const request = changeUsers(settingsOf(), 'tok', 'REMOVE', '11', [hash('a'), hash('b')]);
    expect(request.url.href).toBe('https://api.linkedin.com/rest/dmpSegments/11/users');
    expect(request.headers).toMatchObject({
      authorization: 'Bearer tok',
      'linkedin-version': '202604',
      'x-restli-protocol-version': '2.0.0',
      'x-restli-method': 'BATCH_CREATE',
    });
    expect(JSON.parse(String(request.body))).toEqual({
      elements: [
        { action: 'REMOVE', userIds: [{ idType: 'SHA256_EMAIL', idValue: hash('a') }] },
        { action: 'REMOVE', userIds: [{ idType: 'SHA256_EMAIL', idValue: hash('b') }] },
      ],
    });
  });

  test.each([
    ['202604', '2026-11-22', null],
    ['202604', '2027-02-01', 2],
    ['202511', '2026-11-22', 0],
    ['202510', '2026-12-01', -2],
  ])('version %s on %s: %s months left', (version, on, left) =>
    expect(monthsToSunset(version, Date.parse(on))).toBe(left),
  );
});

test('a version near its end is warned of once a day, and never without cause', async () => {
  const lines: string[] = [];
  const log = createLogger({ service: 'test', level: 'warn', destination: { write: (line) => void lines.push(line) } });
  const context = contextOf(settingsOf(), () => answered(200, { elements: [{ status: 201 }] }));
  const revokeAt = (on: string) =>
    linkedInMatchedAudiences.revoke([revocationOf([{ 'linkedin-email': hash('a') }])], {
      ...context,
      log,
      now: () => Date.parse(on),
    });
  await revokeAt('2026-11-22T08:00Z');
  expect(lines).toEqual([]);
  for (const on of ['2027-03-01T08:00Z', '2027-03-01T20:00Z', '2027-03-02T09:00Z']) await revokeAt(on);
  expect(lines.map((line) => (JSON.parse(line) as { monthsLeft: number }).monthsLeft)).toEqual([1, 1]);
});

describe('answers', () => {
  const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });
  const statuses = (...list: unknown[]) => answer(200, { elements: list.map((status) => ({ status })) });
  const text = (outcome: Outcome): string => `${outcome.kind}: ${'why' in outcome ? outcome.why : ''}`;
  const read = (from: ReturnType<typeof answer>): string => {
    const result = readUsers(from, 2, 0);
    if (result.kind === 'each') return result.outcomes.map(text).join(', ');
    return result.kind === 'all' ? `all ${text(result.outcome)}` : result.kind;
  };
  test.each([
    ['each taken, or there already', statuses(201, 201), 'applied: , applied: '],
    ['FALSE SUCCESS: 200 with a failed element', statuses(201, 500), 'applied: , retry: status-500'],
    ['a bad hash', statuses(400, 201), 'refused: invalid-identifier, applied: '],
    ['throttled by element', statuses(429, 201), 'retry: throttled, applied: '],
    ['permission by element', statuses(403, 401), 'refused: permission, refused: authentication'],
    ['a segment not ready', statuses(404, 201), 'retry: segment-not-ready, applied: '],
    ['a status nobody documents', statuses(200, 204), 'unclear: unexpected-answer, unclear: unexpected-answer'],
    ['no status', statuses(undefined, '201'), 'unclear: unexpected-answer, unclear: unexpected-answer'],
    ['fewer elements than asked', statuses(201), 'all unclear: unexpected-answer'],
    ['no elements', answer(200, {}), 'all unclear: unexpected-answer'],
    ['not JSON', answer(200, undefined), 'all unclear: unexpected-answer'],
    ['a fresh segment', answer(404, undefined), 'all retry: segment-not-ready'],
    ['token', answer(401, {}), 'all refused: authentication'],
    ['permission', answer(403, {}), 'all refused: permission'],
    ['a version that is gone', answer(426, {}), 'all refused: api-version'],
    ['throttled', answer(429, {}), 'all retry: throttled'],
    ['a bad request', answer(400, {}), 'all refused: status-400'],
    ['down', answer(503, undefined), 'all retry: status-503'],
  ])('%s -> %s', (_, from, expected) => expect(read(from)).toBe(expected));
});

describe('revoking', () => {
  const statusesFor = (request: HttpRequest, bad: string): object => {
    const { elements } = JSON.parse(String(request.body)) as { elements: { userIds: { idValue: string }[] }[] };
    return { elements: elements.map(({ userIds }) => ({ status: userIds[0]?.idValue === bad ? 500 : 201 })) };
  };

  test('ACK-TRUTH: each person has the worst outcome of their own hashes, and of no other’s', async () => {
    const context = contextOf(settingsOf(), (request) => answered(200, statusesFor(request, hash('b'))));
    const batch = [
      revocationOf([{ 'linkedin-email': hash('a') }, { 'linkedin-email': hash('b') }]),
      revocationOf([{ 'linkedin-email': hash('c') }]),
      revocationOf([{ 'x-email': hash('d') }]),
      revocationOf([{ 'linkedin-email': hash('e') }], [ads, lookalikes], [ads]),
    ];
    const outcomes = await linkedInMatchedAudiences.revoke(batch, context);
    expect(outcomes.map((each) => ('why' in each ? each.why : each.kind))).toEqual([
      'status-500',
      'applied',
      'missing-identifier',
      'applied',
    ]);
  });

  test('one refresh serves many calls; a refused token is renewed once, then a person must look', async () => {
    let grants = 0;
    const tokens: string[] = [];
    const refusing = new Set(['t1']);
    const context = contextOf(settingsOf(renewing), (request) => {
      if (request.url.pathname === '/oauth/v2/accessToken') {
        expect(new URLSearchParams(String(request.body)).get('grant_type')).toBe('refresh_token');
        grants += 1;
        return answered(200, { access_token: `t${grants}`, expires_in: 5_184_000 });
      }
      const token = request.headers['authorization']?.slice('Bearer '.length) ?? '';
      tokens.push(token);
      return refusing.has(token) ? answered(401, {}) : answered(200, statusesFor(request, ''));
    });
    const revoke = async () =>
      (await linkedInMatchedAudiences.revoke([revocationOf([{ 'linkedin-email': hash('a') }])], context))[0]?.kind;
    expect([await revoke(), await revoke()]).toEqual(['applied', 'applied']);
    expect(tokens).toEqual(['t1', 't2', 't2']);
    refusing.add('t2').add('t3');
    expect(await revoke()).toBe('refused');
    expect(grants).toBe(3);
  });
});
