import type { Answer, ShareItem } from '@entente/connector-runtime';
import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { settingsFaults } from '../../testing/settings-faults.ts';
import { collectRequest, deletionRequest, readCollect, readDeletion, scopeOf } from './client.ts';
import { denialPayload, payloadFault, payloadOf, planDeletions } from './plan.ts';
import { Ga4Settings } from './settings.ts';

const [stats, ads, calls] = [purposeId('stats'), purposeId('ads'), purposeId('calls')];
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const property = { propertyId: '1', measurementId: 'G-ONE', apiSecret: 's1' };
const adProperty = { propertyId: '2', measurementId: 'G-TWO', apiSecret: 's2', adUserData: true };
const properties = { stats: property, ads: adProperty };
const given = { clientEmail: 'a@b.iam', privateKey, properties };
const settings = Object.assign(new Ga4Settings(), given);
const answer = (status: number, json: unknown, headers = {}): Answer => ({ status, json, headers });
const share = (fields: Readonly<Record<string, unknown>>, id = 'u1'): ShareItem => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  purpose: stats,
  identifiers: { 'subject-id': id },
  fields,
  requestId: 'r1',
});

describe('settings', () => {
  test.each([
    ['no property', { properties: {} }, 'properties must give for at least one purpose'],
    [
      'a Universal Analytics id',
      { properties: { stats: { ...property, measurementId: 'UA-1-1' } } },
      'measurementId: G-…',
    ],
    ['a stream without secret', { properties: { stats: { ...property, apiSecret: '' } } }, 'apiSecret'],
    ['a misspelt member', { properties: { stats: { ...property, adUserdata: true } } }, 'may give adUserData'],
    [
      'one property for two purposes',
      { properties: { stats: property, ads: { ...adProperty, propertyId: '1' } } },
      'a propertyId of its own',
    ],
    ['a key that is none', { privateKey: 'secret' }, 'privateKey must be an RSA key in PEM'],
    ['no account', { clientEmail: undefined }, 'clientEmail must be the client_email'],
    ['an unknown deletion API', { deletionApi: 'v4' }, 'deletionApi must be one of user-deletion-v3, admin-v1alpha'],
    ['nothing to delete by', { deletedBy: [] }, 'deletedBy should not be empty'],
    ['an unknown identifier', { deletedBy: ['EMAIL'] }, 'deletedBy must hold one or both of USER_ID, CLIENT_ID'],
  ])('%s is refused with its reason, and without the secret', (_, more, reason) => {
    const told = settingsFaults(Ga4Settings, { ...given, ...more });
    expect(told).toContain(reason);
    expect(told).not.toContain(privateKey.slice(40, 80));
  });

  test('what an operator must give is enough', () => expect(settingsFaults(Ga4Settings, given)).toBe(''));
});

describe('a share', () => {
  test('with an event it is one, without it is user properties; each carries its purpose’s consent', () => {
    expect(payloadOf(share({ event: 'bought', price: 3 }), adProperty)).toEqual({
      client_id: 'u1',
      user_id: 'u1',
      consent: { ad_user_data: 'GRANTED', ad_personalization: 'DENIED' },
      events: [{ name: 'bought', params: { price: 3 } }],
    });
    expect(payloadOf(share({ plan: 'free' }), property)).toEqual({
      client_id: 'u1',
      user_id: 'u1',
      consent: { ad_user_data: 'DENIED', ad_personalization: 'DENIED' },
      user_properties: { plan: { value: 'free' } },
      events: [{ name: 'profile_update', params: {} }],
    });
  });

  test.each([
    [{ event: 'page_viewed', page: '/' }, undefined],
    [{ plan: 'free' }, undefined],
    [{}, undefined],
    [{ event: 'x'.repeat(41) }, 'invalid-event'],
    [{ event: '1st' }, 'invalid-event'],
    [{ event: 'first_visit' }, 'invalid-event'],
    [{ event: 'google_x' }, 'invalid-event'],
    [{ event: 7 }, 'invalid-event'],
    [{ event: 'ok', 'page url': '/' }, 'invalid-fields'],
    [{ event: 'ok', list: [1] }, 'invalid-fields'],
    [{ event: 'ok', text: 'x'.repeat(101) }, 'invalid-fields'],
    [{ event: 'ok', ...Object.fromEntries(Array.from({ length: 26 }, (_, n) => [`p${n}`, n])) }, 'invalid-fields'],
    [{ motto: 'x'.repeat(37) }, 'invalid-fields'],
    [{ a_name_with_25_characters: 1 }, 'invalid-fields'],
  ])('what Google would drop in silence is known before: %j -> %s', (fields, fault) =>
    expect(payloadFault(payloadOf(share(fields), property))).toBe(fault),
  );

  test('without an id there is nobody', () =>
    expect(payloadFault(payloadOf(share({}, ''), property))).toBe('missing-identifier'));
});

describe('the plan is made from the set that stays (DLV-1)', () => {
  const ids = [{ 'subject-id': 'u1' }, { email: 'a@b.de' }, { 'subject-id': 'u2' }, { 'subject-id': 'u1' }];
  const planned = (allowed: readonly (typeof stats)[], all = [stats, ads]): string[] =>
    planDeletions(allowed, all, ids, properties, ['USER_ID', 'CLIENT_ID']).deletions.map(
      ({ propertyId, type, id }) => `${propertyId} ${type} ${id}`,
    );

  test.each([
    ['one less', [stats], [stats, ads], ['2 USER_ID u1', '2 CLIENT_ID u1', '2 USER_ID u2', '2 CLIENT_ID u2']],
    ['nothing fell away', [stats, ads], [stats, ads], []],
    [
      'a purpose this recipient no longer has',
      [stats],
      [stats],
      ['2 USER_ID u1', '2 CLIENT_ID u1', '2 USER_ID u2', '2 CLIENT_ID u2'],
    ],
  ])('%s', (_, allowed, all, deletions) => expect(planned(allowed, all)).toEqual(deletions));

  test('none left: every property, every id ever shared, each once', () => expect(planned([])).toHaveLength(8));

  test('only where ads were ever allowed is their end told; what nothing stands for is named', () => {
    const { denials, unmapped, lacksId } = planDeletions([], [stats, ads, calls], ids, properties, ['USER_ID']);
    expect(denials.map(({ property: { propertyId }, id }) => [propertyId, id])).toEqual([
      ['2', 'u1'],
      ['2', 'u2'],
    ]);
    expect([unmapped, lacksId]).toEqual([[calls], false]);
    expect(planDeletions([], [stats], [{ email: 'a@b.de' }], properties, ['USER_ID']).lacksId).toBe(true);
    expect(denialPayload('u1').consent).toEqual({ ad_user_data: 'DENIED', ad_personalization: 'DENIED' });
  });
});

describe('requests', () => {
  const deletion = { propertyId: '1', type: 'CLIENT_ID', id: 'u1' } as const;
  test('collecting names stream and secret; deleting names one id, by either API', () => {
    const { url } = collectRequest(settings, property, denialPayload('u1'));
    expect(url.href).toBe('https://www.google-analytics.com/mp/collect?measurement_id=G-ONE&api_secret=s1');
    const admin = Object.assign(new Ga4Settings(), given, { deletionApi: 'admin-v1alpha' as const });
    expect(deletionRequest(settings, 't', deletion)).toMatchObject({
      url: new URL('https://www.googleapis.com/analytics/v3/userDeletion/userDeletionRequests:upsert'),
      body: '{"kind":"analytics#userDeletionRequest","id":{"type":"CLIENT_ID","userId":"u1"},"propertyId":"1"}',
      headers: { authorization: 'Bearer t' },
    });
    expect(deletionRequest(admin, 't', deletion)).toMatchObject({
      url: new URL('https://analyticsadmin.googleapis.com/v1alpha/properties/1:submitUserDeletion'),
      body: '{"clientId":"u1"}',
    });
    expect([scopeOf(settings), scopeOf(admin)].map((scope) => scope.split('/').at(-1))).toEqual([
      'analytics.user.deletion',
      'analytics.edit',
    ]);
  });
});

describe('answers', () => {
  const deletion = { propertyId: '1', type: 'USER_ID', id: 'u1' } as const;
  const time = '2026-11-22T09:00:00.000Z';
  const echo = { id: { type: 'USER_ID', userId: 'u1' }, propertyId: '1', deletionRequestTime: time };
  const errors = (reason: string, location?: string): object => ({ error: { errors: [{ reason, location }] } });
  const read = (given: Answer): string => {
    const outcome = readDeletion(given, settings, deletion);
    return outcome.kind === 'applied' ? `applied ${outcome.reference ?? ''}` : `${outcome.kind}: ${outcome.why}`;
  };
  test.each([
    ['the echo with its time', answer(200, echo), `applied ${time}`],
    ['an echo without time', answer(200, { ...echo, deletionRequestTime: undefined }), 'unclear: unexpected-answer'],
    ['a time that is none', answer(200, { ...echo, deletionRequestTime: 'soon' }), 'unclear: unexpected-answer'],
    ['another person', answer(200, { ...echo, id: { type: 'USER_ID', userId: 'u2' } }), 'unclear: unexpected-answer'],
    [
      'another kind of id',
      answer(200, { ...echo, id: { type: 'CLIENT_ID', userId: 'u1' } }),
      'unclear: unexpected-answer',
    ],
    ['another property', answer(200, { ...echo, propertyId: '2' }), 'unclear: unexpected-answer'],
    ['204', answer(204, undefined), 'unclear: unexpected-answer'],
    ['a page', answer(200, undefined), 'unclear: unexpected-answer'],
    ['the id is wrong', answer(400, errors('invalidParameter', 'id.userId')), 'refused: invalid-identifier'],
    ['the property is wrong', answer(400, errors('invalidParameter', 'propertyId')), 'refused: rejected'],
    ['no token', answer(401, errors('authError')), 'refused: authentication'],
    ['no permission', answer(403, errors('insufficientPermissions')), 'refused: permission'],
    ['too fast, as 403', answer(403, errors('userRateLimitExceeded')), 'retry: throttled'],
    ['too fast, as 429', answer(429, undefined), 'retry: throttled'],
    ['the day is used up', answer(403, errors('dailyLimitExceeded')), 'retry: daily-quota'],
    ['a bare 404', answer(404, undefined), 'refused: status-404'],
    ['unavailable', answer(503, undefined), 'retry: status-503'],
  ])('%s -> %s', (_, reply, expected) => expect(read(reply)).toBe(expected));

  test('a 2xx of the Measurement Protocol is only that something was sent', () => {
    expect([204, 200].map((status) => readCollect(answer(status, undefined)).kind)).toEqual(['applied', 'applied']);
    expect(readCollect(answer(502, undefined))).toEqual({ kind: 'retry', why: 'status-502' });
  });
});
