import type { Answer, Outcome, ShareItem } from '@entente/connector-runtime';
import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { settingsFaults } from '../../testing/settings-faults.ts';
import { readCapture, readDeletion, readDeletionStatus, readPersons } from './client.ts';
import { eventOf, referenceOf, referenceText, shareFault } from './plan.ts';
import { PosthogSettings } from './settings.ts';

const stats = purposeId('stats');
const consentProperties = { stats: 'stats_consent' };
const given = { projectToken: 'phc_1', personalApiKey: 'phx_1', projectId: '1', consentProperties };
const answer = (status: number, json: unknown, headers = {}): Answer => ({ status, json, headers });
const uuid = '0193a1b2-0000-7000-8000-000000000001';
const share = (fields: Readonly<Record<string, unknown>>, id = 'u1', purpose = stats): ShareItem => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  purpose,
  identifiers: { 'subject-id': id },
  fields,
  requestId: uuid,
});
const said = (outcome: Outcome): string => (outcome.kind === 'applied' ? 'applied' : `${outcome.kind}: ${outcome.why}`);

describe('settings', () => {
  test.each([
    ['a personal key as project token', { projectToken: 'phx_1' }, 'projectToken must be the project token: phc_'],
    ['a project token as personal key', { personalApiKey: 'phc_1' }, 'personalApiKey must be a personal API key: phx_'],
    ['a project by name', { projectId: 'shop' }, 'projectId must be the number of the project'],
    ['one property for two purposes', { consentProperties: { a: 'x', b: 'x' } }, 'consentProperties must name'],
    ['a property of PostHog’s own', { consentProperties: { a: '$email' } }, 'consentProperties must name'],
    ['a host without a scheme', { apiUrl: 'eu.posthog.com' }, 'apiUrl must be a URL address'],
    ['a mark without a name', { markProperty: '' }, 'markProperty must be the name of a person property'],
    ['an ingestion time of nothing', { ingestedWithinMs: 0 }, 'ingestedWithinMs must not be less than 1000'],
    ['something else', { host: 'x' }, 'property host should not exist'],
  ])('%s is refused with its reason', (_, more, reason) =>
    expect(settingsFaults(PosthogSettings, { ...given, ...more })).toContain(reason),
  );

  test('what an operator must give is enough', () => expect(settingsFaults(PosthogSettings, given)).toBe(''));
});

describe('a share', () => {
  test('with an event it is one, without it is what is known; the consent of its purpose stands on the person', () => {
    expect(eventOf(share({ event: 'Bought', price: 3, $set: { x: 1 } }), consentProperties)).toEqual({
      event: 'Bought',
      distinct_id: 'u1',
      uuid,
      properties: { price: 3, $set: { stats_consent: 'granted' }, $geoip_disable: true },
    });
    expect(eventOf({ ...share({ plan: 'free' }), requestId: 'r1' }, consentProperties)).toEqual({
      event: '$set',
      distinct_id: 'u1',
      properties: { $set: { plan: 'free', stats_consent: 'granted' }, $geoip_disable: true },
    });
  });

  test.each([
    [share({ event: 'Bought' }), undefined],
    [share({}), undefined],
    [share({ event: '$identify' }), 'invalid-event'],
    [share({ event: '' }), 'invalid-event'],
    [share({}, ' '), 'unusable-identifier'],
    [share({}, 'x'.repeat(201)), 'unusable-identifier'],
    [share({}, 'u1', purposeId('other')), 'purpose-not-mapped'],
  ])('what cannot be sent is known before: %#', (item, fault) =>
    expect(shareFault(item, consentProperties)).toBe(fault),
  );
});

test.each([[{ kind: 'mark', mark: uuid }], [{ kind: 'deletion', persons: [uuid, 'p2'] }]] as const)(
  'a reference is read as it was written: %j',
  (reference) => expect(referenceOf(referenceText(reference))).toEqual(reference),
);

test.each([undefined, '', 'mark:', 'deletion:', 'other:x'])('%j is no reference', (text) =>
  expect(referenceOf(text)).toBeUndefined(),
);

describe('answers', () => {
  test.each([
    ['Ok', answer(200, { status: 'Ok' }), 'applied'],
    ['1, as older servers say', answer(200, { status: 1 }), 'applied'],
    ['Ok, but over quota', answer(200, { status: 'Ok', quota_limited: ['events'] }), 'retry: over-quota'],
    ['204', answer(204, undefined), 'unclear: unexpected-answer'],
    ['a page', answer(200, undefined), 'unclear: unexpected-answer'],
    ['a bad row', answer(400, { type: 'validation_error' }), 'refused: invalid-identifier'],
    ['too much', answer(413, undefined), 'refused: invalid-identifier'],
    ['a wrong token', answer(401, undefined), 'refused: authentication'],
    ['a bare 404', answer(404, undefined), 'refused: status-404'],
    ['throttled', answer(429, undefined, { 'retry-after': '1' }), 'retry: throttled'],
  ])('capture: %s -> %s', (_, reply, expected) => expect(said(readCapture(reply))).toBe(expected));

  const done = { persons_found: 2, persons_deleted: 2, events_queued_for_deletion: true, deletion_errors: [] };
  test.each([
    ['deleted at once', answer(202, done), ['applied', 'applied']],
    ['queued', answer(202, { ...done, persons_deleted: 0, persons_queued_for_deletion: 2 }), ['applied', 'applied']],
    [
      'one not deleted',
      answer(202, { ...done, persons_deleted: 1, deletion_errors: [{ person_uuid: 'p2' }] }),
      ['applied', 'retry: deletion-error'],
    ],
    [
      'one not found',
      answer(202, { ...done, persons_found: 1, persons_deleted: 1 }),
      Array(2).fill('retry: not-deleted'),
    ],
    [
      'nobody found',
      answer(202, { ...done, persons_found: 0, persons_deleted: 0 }),
      Array(2).fill('retry: not-deleted'),
    ],
    [
      'events not queued',
      answer(202, { ...done, events_queued_for_deletion: false }),
      Array(2).fill('retry: not-deleted'),
    ],
    [
      'an error about somebody else',
      answer(202, { ...done, deletion_errors: [{ person_uuid: 'p9' }] }),
      Array(2).fill('retry: not-deleted'),
    ],
    ['an empty body', answer(202, undefined), Array(2).fill('retry: not-deleted')],
    ['200', answer(200, done), Array(2).fill('unclear: unexpected-answer')],
    ['403', answer(403, undefined), Array(2).fill('refused: permission')],
  ])('a deletion: %s', (_, reply, expected) =>
    expect(['p1', 'p2'].map((person) => said(readDeletion(reply, ['p1', 'p2'])(person)))).toEqual(expected),
  );

  test('persons that cannot be read are no absence', () => {
    expect(readPersons(answer(200, { results: {} }))).toEqual({ persons: new Map() });
    expect(readPersons(answer(200, { results: [] }))).toEqual({ kind: 'unclear', why: 'unexpected-answer' });
    expect(readPersons(answer(200, { results: { u1: { uuid } } }))).toEqual({
      kind: 'unclear',
      why: 'unexpected-answer',
    });
  });

  test('of several deletions the newest counts, and only verified is completed', () => {
    const row = (created_at: string, status: string, delete_verified_at: string | null) => ({
      created_at,
      status,
      delete_verified_at,
    });
    const [older, newer] = ['2026-11-01T00:00:00Z', '2026-11-20T00:00:00Z'];
    const read = (...results: object[]) => readDeletionStatus(answer(200, { results }));
    expect(read(row(older, 'completed', newer), row(newer, 'pending', null))).toEqual({
      row: { createdAt: Date.parse(newer), completed: false },
    });
    expect(read(row(newer, 'completed', null))).toMatchObject({ row: { completed: false } });
    expect(read()).toEqual({ row: undefined });
    expect(read(row('', 'completed', newer))).toEqual({ kind: 'unclear', why: 'unexpected-answer' });
  });
});
