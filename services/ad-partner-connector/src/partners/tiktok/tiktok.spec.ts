import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ads, answered, contextOf, hash, lookalikes, revocationOf } from '../../testing/partner-context.ts';
import { changeMapping, readMapping } from './client.ts';
import { tikTokAudiences } from './definition.ts';
import { isMalformed, rowsOf } from './plan.ts';
import { TikTokSettings } from './settings.ts';

const given = { token: 'secret', advertiserIds: ['700'], audiences: { ads: '11', lookalikes: '22' } };
const settingsOf = (more: object = {}): TikTokSettings => plainToInstance(TikTokSettings, { ...given, ...more });

describe('settings', () => {
  const faults = (more: object): string[] =>
    validateSync(settingsOf(more), { whitelist: true, forbidNonWhitelisted: true }).flatMap(({ constraints }) =>
      Object.values(constraints ?? {}),
    );
  test('a token, an advertiser and its audiences', () => expect(faults({})).toEqual([]));
  test.each([
    [{ token: '' }, /^token should not be empty/],
    [{ advertiserIds: [] }, /^advertiserIds should not be empty/],
    [{ advertiserIds: ['act_7'] }, /^advertiserIds must be advertiser ids \(digits\)/],
    [{ advertiserIds: '700' }, /^advertiserIds must be an array/],
    [{ audiences: { ads: 'a' } }, /^audiences must name a custom audience id/],
    [{ rowsPerRequest: 1 }, /^rowsPerRequest must not be less than 2/],
    [{ rowCodes: ['40002'] }, /^rowCodes must be whole numbers/],
    [{ version: '1.3' }, /^version must be an API version such as v1.3/],
    [{ advertiserId: '700' }, /^property advertiserId should not exist/],
  ])('%j', (more, expected) => expect(faults(more).some((fault) => expected.test(fault))).toBe(true));
});

describe('rows', () => {
  test('each set once; every form that was sent, the second in a row of its own; blanks where unknown', () => {
    const both = { 'tiktok-email': 'e', 'tiktok-email-stripped': 's', 'tiktok-phone': 'p' };
    expect(rowsOf([both, both, { 'tiktok-phone-digits': 'd' }, { 'meta-email': 'm' }])).toEqual([
      ['e', 'p'],
      ['s', ''],
      ['', 'd'],
    ]);
    expect(rowsOf([{ 'tiktok-email': 'e', 'tiktok-email-stripped': 'e' }])).toEqual([['e', '']]);
    expect([isMalformed([hash('a'), '']), isMalformed(['a@b.c', ''])]).toEqual([false, true]);
  });

  test('a request names audience and advertiser in each cell, and an empty cell where there is no id', () => {
    const request = changeMapping(settingsOf(), 'delete', '11', [[hash('a'), '']]);
    expect(request.url.href).toBe('https://business-api.tiktok.com/open_api/v1.3/segment/mapping/');
    expect(request.headers['access-token']).toBe('secret');
    expect(JSON.parse(String(request.body))).toEqual({
      advertiser_ids: ['700'],
      action: 'delete',
      id_schema: ['EMAIL_SHA256', 'PHONE_SHA256'],
      batch_data: [[{ id: hash('a'), audience_ids: ['11'] }, {}]],
    });
  });
});

describe('answers', () => {
  const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });
  const read = (from: ReturnType<typeof answer>, settings = settingsOf()): string => {
    const result = readMapping(from, settings, 0);
    if (result.kind !== 'all') return result.kind;
    const { outcome } = result;
    return `${outcome.kind}: ${'why' in outcome ? outcome.why : (outcome.reference ?? '')}`;
  };
  test.each([
    ['code 0', answer(200, { code: 0, request_id: 'r1' }), 'applied: r1'],
    ['FALSE SUCCESS: 200 with another code', answer(200, { code: 50_000, message: 'OK' }), 'retry: partner-error'],
    ['a code as text', answer(200, { code: '0' }), 'unclear: unexpected-answer'],
    ['code 0 with an error status', answer(500, { code: 0 }), 'unclear: unexpected-answer'],
    ['no code', answer(200, {}), 'unclear: unexpected-answer'],
    ['not JSON', answer(200, undefined), 'unclear: unexpected-answer'],
    ['a bad parameter', answer(200, { code: 40_002 }), 'some-bad'],
    ['throttled', answer(200, { code: 40_100 }), 'retry: throttled'],
    ['throttled by status', answer(429, undefined), 'retry: throttled'],
    ['token', answer(200, { code: 40_105 }), 'refused: authentication'],
    ['permission', answer(200, { code: 40_001 }), 'refused: permission'],
    ['a code nobody named', answer(200, { code: 40_700 }), 'refused: rejected'],
    ['down', answer(502, undefined), 'retry: status-502'],
    ['a bare 404', answer(404, undefined), 'refused: status-404'],
  ])('%s -> %s', (_, from, expected) => expect(read(from)).toBe(expected));

  test('unverified codes are settings', () => {
    const settings = settingsOf({
      tokenCodes: [1],
      permissionCodes: [2],
      throttleCodes: [3],
      retryCodes: [4],
      rowCodes: [5],
    });
    expect([1, 2, 3, 4, 5].map((code) => read(answer(200, { code }), settings))).toEqual([
      'refused: authentication',
      'refused: permission',
      'retry: throttled',
      'retry: partner-error',
      'some-bad',
    ]);
  });
});

describe('revoking', () => {
  const email = (letter: string) => revocationOf([{ 'tiktok-email': letter }]);

  test('one bad row is found by halves; with well-formed rows alone the request itself is blamed', async () => {
    const sizes: number[] = [];
    const context = contextOf(settingsOf(), (request) => {
      const { batch_data: rows } = JSON.parse(String(request.body)) as { batch_data: { id?: string }[][] };
      sizes.push(rows.length);
      const bad = rows.some(([cell]) => cell?.id === 'plain' || cell?.id === hash('f'));
      return answered(200, { code: bad ? 40_002 : 0 });
    });
    const outcomes = await tikTokAudiences.revoke(
      [email(hash('a')), email('plain'), email(hash('c')), email(hash('f'))],
      context,
    );
    expect(outcomes.map((each) => ('why' in each ? each.why : each.kind))).toEqual([
      'applied',
      'invalid-identifier',
      'applied',
      'rejected',
    ]);
    expect(sizes).toEqual([4, 2, 1, 1, 2, 1, 1]);
  });

  test('never more rows in a request than the settings say; what stays allowed is not touched', async () => {
    const bodies: { batch_data: { audience_ids?: string[] }[][] }[] = [];
    const context = contextOf(settingsOf({ rowsPerRequest: 2 }), (request) => {
      bodies.push(JSON.parse(String(request.body)) as (typeof bodies)[number]);
      return answered(200, { code: 0 });
    });
    const people = [...'abc'].map((letter) =>
      revocationOf([{ 'tiktok-email': hash(letter) }], [ads, lookalikes], [ads]),
    );
    expect((await tikTokAudiences.revoke(people, context)).map(({ kind }) => kind)).toEqual(Array(3).fill('applied'));
    expect(bodies.map(({ batch_data: rows }) => rows.length)).toEqual([2, 1]);
    expect(
      new Set(bodies.flatMap(({ batch_data: rows }) => rows.flat().flatMap((cell) => cell.audience_ids ?? []))),
    ).toEqual(new Set(['22']));
  });
});
