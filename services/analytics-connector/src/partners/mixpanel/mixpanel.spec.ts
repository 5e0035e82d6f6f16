import type { Answer, Outcome, ShareItem } from '@entente/connector-runtime';
import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { settingsFaults } from '../../testing/settings-faults.ts';
import { readImport, readProfiles, readTask, readTaskStatus, readUpdate } from './client.ts';
import { importedEvent, isDistinctId, profileOf, shareFault } from './plan.ts';
import { mixpanel } from './definition.ts';
import { MixpanelSettings } from './settings.ts';

const stats = purposeId('stats');
const consentProperties = { stats: 'stats_consent' };
const token = 'abcdef0123456789abcdef0123456789';
const given = { projectToken: token, gdprToken: 'oauth-token', consentProperties };
const answer = (status: number, json: unknown, headers = {}): Answer => ({ status, json, headers });
const share = (fields: Readonly<Record<string, unknown>>, id = 'u1', purpose = stats): ShareItem => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  purpose,
  identifiers: { 'subject-id': id },
  fields,
  requestId: '0193-request',
});

describe('settings', () => {
  const account = { username: 'reader', secret: 's', projectId: '1' };
  test.each([
    ['a project token that is none', { projectToken: 'abc' }, 'projectToken must be the token of the project'],
    ['no GDPR token', { gdprToken: undefined }, 'gdprToken must be the OAuth token'],
    ['a service account without project', { serviceAccount: { ...account, projectId: '' } }, 'serviceAccount must be'],
    [
      'a service account with a colon in it',
      { serviceAccount: { ...account, username: 'a:b' } },
      'serviceAccount must be',
    ],
    ['one property for two purposes', { consentProperties: { a: 'x', b: 'x' } }, 'consentProperties must name'],
    ['no purpose at all', { consentProperties: {} }, 'consentProperties must name for at least one purpose'],
    ['a property of Mixpanel’s own', { consentProperties: { a: '$email' } }, 'consentProperties must name'],
    ['a law that Mixpanel does not know', { complianceType: 'LGPD' }, 'complianceType must be one of GDPR, CCPA'],
    ['a wish that is neither yes nor no', { deleteWhenNothingAllowed: 'yes' }, 'must be true or false'],
    ['a host without a scheme', { ingestionUrl: 'api-eu.mixpanel.com' }, 'ingestionUrl must be a URL address'],
    ['something else', { apiSecret: 'x' }, 'property apiSecret should not exist'],
  ])('%s is refused with its reason', (_, more, reason) =>
    expect(settingsFaults(MixpanelSettings, { ...given, ...more })).toContain(reason),
  );

  test('what an operator must give is enough', () => {
    expect(settingsFaults(MixpanelSettings, given)).toBe('');
    expect(settingsFaults(MixpanelSettings, { ...given, serviceAccount: account })).toBe('');
  });
});

describe('a share', () => {
  test('fields never choose whose event it is, nor which', () => {
    const fields = { event: 'Bought', price: 3, distinct_id: 'u2', $insert_id: 'other', time: 1_700_000_000 };
    expect(importedEvent(share(fields), 5)).toEqual({
      event: 'Bought',
      properties: { price: 3, time: 1_700_000_000, distinct_id: 'u1', $insert_id: '0193-request' },
    });
    expect(importedEvent(share({ event: 'Bought', time: 'now' }), 5).properties).toMatchObject({ time: 5 });
  });

  test('the consent of its purpose stands on the profile, whatever a field of that name says', () => {
    expect(profileOf(share({ plan: 'free', stats_consent: 'denied' }), token, consentProperties)).toEqual({
      $token: token,
      $distinct_id: 'u1',
      $set: { plan: 'free', stats_consent: 'granted' },
    });
    expect(profileOf(share({ event: 'Bought', plan: 'x' }), token, consentProperties).$set).toEqual({
      stats_consent: 'granted',
    });
  });

  test.each([
    [share({ plan: 'free' }), undefined],
    [share({ event: 'Bought' }), undefined],
    [share({ event: '$merge' }), 'invalid-event'],
    [share({ event: '' }), 'invalid-event'],
    [share({ event: 3 }), 'invalid-event'],
    [share({}, 'Anonymous'), 'unusable-identifier'],
    [share({}, 'x'.repeat(256)), 'unusable-identifier'],
    [share({}, 'u1', purposeId('other')), 'purpose-not-mapped'],
  ])('what cannot be sent is known before: %#', (item, fault) =>
    expect(shareFault(item, consentProperties)).toBe(fault),
  );

  test.each([
    ['u1', true],
    ['null', false],
    [' ', false],
    [undefined, false],
  ] as const)('%j is an id: %j', (id, is) => expect(isDistinctId(id)).toBe(is));
});

const said = (outcome: Outcome): string => (outcome.kind === 'applied' ? 'applied' : `${outcome.kind}: ${outcome.why}`);

describe('answers', () => {
  test.each([
    ['status 1', answer(200, { status: 1, error: null }), 'applied'],
    [
      'status 0 for an id',
      answer(200, { status: 0, error: "'$distinct_id' is invalid" }),
      'refused: invalid-identifier',
    ],
    ['status 0 for the token', answer(200, { status: 0, error: 'token, missing or empty' }), 'refused: authentication'],
    ['status 0 for anything else', answer(200, { status: 0, error: 'busy' }), 'retry: not-accepted'],
    ['a bare 1, as without verbose', answer(200, 1), 'unclear: unexpected-answer'],
    ['a page', answer(200, undefined), 'unclear: unexpected-answer'],
    ['400', answer(400, undefined), 'refused: invalid-identifier'],
    ['401', answer(401, { status: 'error' }), 'refused: authentication'],
    ['429', answer(429, { status: 'error' }), 'retry: throttled'],
    ['a bare 404', answer(404, undefined), 'refused: status-404'],
  ])('an update: %s -> %s', (_, reply, expected) => expect(said(readUpdate(reply))).toBe(expected));

  test.each([
    ['all', answer(200, { code: 200, num_records_imported: 3 }), ['applied', 'applied', 'applied']],
    [
      'fewer than were sent',
      answer(200, { code: 200, num_records_imported: 2 }),
      Array(3).fill('unclear: unexpected-answer'),
    ],
    [
      'one by name',
      answer(400, { num_records_imported: 2, failed_records: [{ index: 1 }] }),
      ['applied', 'refused: invalid-event', 'applied'],
    ],
    [
      'one by name, and numbers that do not add up',
      answer(400, { num_records_imported: 1, failed_records: [{ index: 1 }] }),
      Array(3).fill('unclear: unexpected-answer'),
    ],
    ['none by name', answer(400, { error: 'bad' }), Array(3).fill('refused: invalid-identifier')],
    ['unavailable', answer(503, undefined), Array(3).fill('retry: status-503')],
  ])('an import: %s', (_, reply, expected) => expect(readImport(reply, 3).map(said)).toEqual(expected));

  test.each([
    [answer(201, { status: 'ok', results: { task_id: '7' } }), 'applied'],
    [answer(201, { status: 'ok', results: {} }), 'unclear: unexpected-answer'],
    [answer(201, { status: 'error', results: { task_id: '7' } }), 'unclear: unexpected-answer'],
    [answer(403, { status: 'error' }), 'refused: permission'],
    [answer(429, { status: 'error' }, { 'retry-after': '2' }), 'retry: throttled'],
  ])('a task: %#', (reply, expected) => expect(said(readTask(reply))).toBe(expected));

  test.each([
    ['SUCCESS', { kind: 'confirmed' }],
    ['PENDING', { kind: 'pending', afterMs: 21_600_000 }],
    ['STAGING', { kind: 'pending', afterMs: 21_600_000 }],
    ['STARTED', { kind: 'pending', afterMs: 21_600_000 }],
    ['FAILURE', { kind: 'failed', why: 'task-failure' }],
    ['REVOKED', { kind: 'failed', why: 'task-revoked' }],
    ['NOT_FOUND', { kind: 'failed', why: 'task-not-found' }],
    ['UNKNOWN', { kind: 'unclear', why: 'unexpected-answer' }],
  ])('a task that is %s', (status, expected) => {
    const reply = answer(200, { status: 'ok', results: { status, distinct_ids: ['u1', 'u2'] } });
    expect(readTaskStatus(reply)(['u1'])).toEqual(expected);
  });

  test('profiles that cannot be read are no absence', () => {
    expect(readProfiles(answer(200, { results: [] }))).toEqual({ profiles: new Map() });
    expect(readProfiles(answer(200, {}))).toEqual({ kind: 'unclear', why: 'unexpected-answer' });
    expect(readProfiles(answer(200, { results: [{ $distinct_id: 'u1' }] }))).toEqual({
      kind: 'unclear',
      why: 'unexpected-answer',
    });
    expect(readProfiles(answer(402, undefined))).toEqual({ kind: 'refused', why: 'status-402' });
  });
});

describe('ADR 27: whom it is asked about, by its settings', () => {
  const settings: MixpanelSettings = Object.assign(new MixpanelSettings(), given);
  const reading: MixpanelSettings = Object.assign(new MixpanelSettings(), given, {
    serviceAccount: { username: 'reader', secret: 's', projectId: '1' },
  });
  test.each([
    ['the profile cannot be read', settings, {}, false],
    ['the profile can be read', reading, {}, true],
    ['a deletion is asked for by its task', settings, { reference: 'task-1' }, true],
    ['an erasure without a task', settings, { erasure: true }, false],
  ] as const)('%s', (_what, under, accepted, asked) => {
    expect(mixpanel.askable?.(under, accepted)).toBe(asked);
  });

  test('people are compared only where their profiles can be read', () => {
    expect([mixpanel.readable?.(settings), mixpanel.readable?.(reading)]).toEqual([false, true]);
  });
});
