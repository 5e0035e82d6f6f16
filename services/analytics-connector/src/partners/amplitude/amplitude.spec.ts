import type { Answer, Confirmation, ShareItem } from '@entente/connector-runtime';
import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { deletionOf, jobState, readDeletion, readJobs, readProfile, readUpload, uploadOf } from './client.ts';
import { consentStamp, eventOf, jobOf, jobsWindow, planRevocation, referenceOf, servedBy, userIdsOf } from './plan.ts';
import { amplitude } from './definition.ts';
import { AmplitudeSettings } from './settings.ts';

const [stats, ads, other] = [purposeId('stats'), purposeId('ads'), purposeId('other')];
const given = {
  apiKey: 'key',
  secretKey: 'secret',
  consentProperties: { stats: 'stats_consent', ads: 'ads_consent' },
  requester: 'privacy@example.org',
};
const settings = plainToInstance(AmplitudeSettings, given);
const key = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const answer = (status: number, json: unknown, headers = {}): Answer => ({ status, json, headers });

describe('settings', () => {
  test.each([
    ['no key', { apiKey: '' }, 'apiKey should not be empty'],
    ['no secret', { secretKey: undefined }, 'secretKey must be a string'],
    ['no property', { consentProperties: {} }, 'consentProperties must name'],
    ['one property for two purposes', { consentProperties: { a: 'x', b: 'x' } }, 'consentProperties must name'],
    ['an operation for a property', { consentProperties: { a: '$unset' } }, 'without $'],
    ['a requester that is no address', { requester: 'privacy team' }, 'requester must be the e-mail address'],
    ['an address that is none', { eventsUrl: 'amplitude' }, 'eventsUrl must be a URL'],
    ['an address that is null', { profileUrl: null }, 'profileUrl must be a URL'],
    ['ids of no length', { minIdLength: 0 }, 'minIdLength must not be less than 1'],
  ])('%s is refused with its reason', (_, more, reason) => {
    const errors = validateSync(plainToInstance(AmplitudeSettings, { ...given, ...more }));
    expect(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})).join('; ')).toContain(reason);
  });

  test('what an operator must give is enough', () => expect(validateSync(settings)).toEqual([]));
});

describe('every event carries the consent of its moment', () => {
  const item = (fields: Record<string, unknown>): ShareItem => ({
    subjectKey: key,
    purpose: stats,
    identifiers: { 'subject-id': 'user-1' },
    fields,
    requestId: 'r1',
  });
  const stamp = consentStamp([stats], settings);

  test('the stamp names every purpose, allowed or not', () => {
    expect(stamp).toEqual({ stats_consent: 'granted', ads_consent: 'denied' });
    expect(consentStamp([other], settings)).toEqual({ stats_consent: 'denied', ads_consent: 'denied' });
  });

  test('something done, and something known; a field cannot say anything about consent', () => {
    expect(eventOf(item({ event: 'Viewed', page: '/' }), stamp)).toEqual({
      user_id: 'user-1',
      insert_id: 'r1',
      event_type: 'Viewed',
      event_properties: { page: '/' },
      user_properties: { $set: stamp },
    });
    expect(eventOf(item({ plan: 'free', ads_consent: 'granted', $unset: 'x' }), stamp)).toEqual({
      user_id: 'user-1',
      insert_id: 'r1',
      event_type: '$identify',
      user_properties: { $set: { plan: 'free', $unset: 'x', ...stamp } },
    });
  });
});

describe('the plan is made from the set that stays (DLV-1)', () => {
  test.each([
    ['everything stays', [stats, ads], [stats, ads], { denied: {}, deletes: false, unmapped: [] }],
    ['one less', [stats], [stats, ads], { denied: { ads_consent: 'denied' }, deletes: false, unmapped: [] }],
    [
      'none left',
      [],
      [stats, ads],
      { denied: { stats_consent: 'denied', ads_consent: 'denied' }, deletes: false, unmapped: [] },
    ],
    [
      'a purpose nothing stands for',
      [stats, ads],
      [stats, ads, other],
      { denied: {}, deletes: false, unmapped: [other] },
    ],
    [
      'a purpose this recipient no longer has',
      [stats],
      [stats],
      { denied: { ads_consent: 'denied' }, deletes: false, unmapped: [] },
    ],
  ])('%s', (_, allowed, all, plan) => expect(planRevocation(allowed, all, settings)).toEqual(plan));

  test('a deletion only where the settings want it and nothing is left', () => {
    const deleting = { ...settings, deleteWhenNothingStays: true };
    expect(planRevocation([], [stats], deleting).deletes).toBe(true);
    expect(planRevocation([stats], [stats, ads], deleting).deletes).toBe(false);
  });

  test('a purpose counts as served until its property says no; user ids once each', () => {
    expect(servedBy({ stats_consent: 'denied' }, [stats, ads], settings)).toEqual([ads]);
    expect(userIdsOf([{ 'subject-id': 'a' }, { 'subject-id': 'a' }, {}])).toEqual(['a']);
  });
});

describe('an upload is read from its body', () => {
  test.each([
    ['all ingested', answer(200, { code: 200, events_ingested: 2 }), 'applied'],
    ['none ingested', answer(200, { code: 200, events_ingested: 0 }), 'retry'],
    ['one of two ingested', answer(200, { code: 200, events_ingested: 1 }), 'retry'],
    ['another code inside', answer(200, { code: 400, events_ingested: 2 }), 'unclear'],
    ['no JSON', answer(200, undefined), 'unclear'],
    ['a wrong key', answer(400, { error: 'Invalid API key: x' }), 'refused'],
    ['no key', answer(400, { missing_field: 'api_key' }), 'refused'],
    ['too fast for the project', answer(429, { throttled_events: [] }), 'retry'],
    ['an outage', answer(503, undefined), 'retry'],
  ])('%s -> %s', (_, given_, kind) => expect(readUpload(given_, 2)).toMatchObject({ kind: 'all', outcome: { kind } }));

  test('events that are wrong are named with their reason, and so are those that are too fast', () => {
    const invalid = { events_with_invalid_id_lengths: { user_id: [0] }, events_with_invalid_fields: { time: [1] } };
    expect(readUpload(answer(400, { code: 400, ...invalid, silenced_events: [2, 9] }), 3)).toEqual({
      kind: 'some',
      outcomes: new Map([
        [2, { kind: 'refused', why: 'silenced' }],
        [1, { kind: 'refused', why: 'invalid-event' }],
        [0, { kind: 'refused', why: 'invalid-identifier' }],
      ]),
    });
    expect(readUpload(answer(429, { throttled_events: [1] }), 2)).toEqual({
      kind: 'some',
      outcomes: new Map([[1, { kind: 'retry', why: 'throttled', afterMs: 30_000 }]]),
    });
    expect(readUpload(answer(429, { exceeded_daily_quota_users: { u: 1 } }), 2)).toMatchObject({
      kind: 'all',
      outcome: { afterMs: 3_600_000 },
    });
  });

  test.each([
    ['too large', answer(413, { code: 413 }), 'too-large'],
    ['refused without a name', answer(400, { code: 400, error: 'no' }), 'rejected'],
  ])('%s: worth finding out which event it is', (_, given_, why) =>
    expect(readUpload(given_, 2)).toEqual({ kind: 'some-bad', outcome: { kind: 'refused', why } }),
  );

  test('the key travels in the body, short ids are taken', () => {
    const { url, body } = uploadOf(settings, []);
    expect([url.href, JSON.parse(String(body))]).toEqual([
      'https://api2.amplitude.com/2/httpapi',
      { api_key: 'key', events: [], options: { min_id_length: 1 } },
    ]);
  });
});

describe('a deletion is read person by person', () => {
  const ids = ['a', 'b'];
  const taken = (json: unknown): unknown => {
    const read = readDeletion(answer(200, json), ids);
    return read.kind === 'taken' ? [[...read.unknown], referenceOf(read.jobOf('a'))] : read.outcome;
  };
  const listed = (id: number, user_id?: string): object => ({ amplitude_id: id, user_id });

  test.each([
    ['both', { day: '2026-12-02', amplitude_ids: [listed(1, 'a'), listed(2, 'b')] }, [[], '2026-12-02/1']],
    [
      'one of them',
      { day: '2026-12-02', amplitude_ids: [listed(1, 'a')], invalid_ids: ['b'] },
      [['b'], '2026-12-02/1'],
    ],
    ['users it does not name', { day: '2026-12-02', amplitude_ids: [listed(1)] }, [[], '2026-12-02']],
    [
      'one job per project',
      [
        { day: '2026-12-02', amplitude_ids: [listed(1, 'a')] },
        { day: '2026-12-04', amplitude_ids: [listed(9, 'a')] },
      ],
      [[], '2026-12-04/1/9'],
    ],
    ['nobody', { day: null, amplitude_ids: [], invalid_ids: ids }, [ids, '']],
    ['nobody, in a sentence', 'No valid ids were provided', [ids, '']],
    ['something else', {}, { kind: 'unclear', why: 'unexpected-answer' }],
  ])('200 for %s', (_, json, expected) => expect(taken(json)).toEqual(expected));

  test('wrong keys park', () =>
    expect(readDeletion(answer(401, {}), ids)).toEqual({
      kind: 'failed',
      outcome: { kind: 'refused', why: 'authentication' },
    }));

  test('it asks for the project alone, by name of the requester, skipping who is unknown', () => {
    const { body, headers } = deletionOf(settings, ids);
    expect(JSON.parse(String(body))).toMatchObject({
      user_ids: ids,
      requester: 'privacy@example.org',
      ignore_invalid_ids: true,
      delete_from_org: false,
    });
    expect(headers['authorization']).toBe(`Basic ${Buffer.from('key:secret').toString('base64')}`);
  });
});

describe('a deletion job', () => {
  const now = Date.parse('2026-11-23T00:00:00Z');
  const job = (status: string, ...ids: number[]): object => ({
    day: '2026-12-02',
    status,
    amplitude_ids: ids.map((id) => ({ amplitude_id: id })),
  });
  test.each([
    ['done', [job('done', 1)], '2026-12-02/1', { kind: 'confirmed' }],
    ['staged', [job('staging', 1)], '2026-12-02/1', { kind: 'pending', afterMs: 86_400_000 }],
    ['submitted', [job('submitted', 1, 2)], '2026-12-02/1', { kind: 'pending', afterMs: 86_400_000 }],
    ['without the person', [job('staging', 2)], '2026-12-02/1', { kind: 'failed', why: 'deletion-cancelled' }],
    ['gone', [], '2026-12-02/1', { kind: 'failed', why: 'deletion-cancelled' }],
    ['known by its day alone', [job('done', 7)], '2026-12-02', { kind: 'confirmed' }],
    ['in a state nobody knows', [job('paused', 1)], '2026-12-02/1', { kind: 'unclear', why: 'unexpected-answer' }],
  ])('%s', (_, jobs, reference, state) =>
    expect(jobState(jobs, jobOf(reference) ?? { day: '', ids: [] }, now)).toEqual(state),
  );

  test('is looked for from the day before the request to the day after its own', () => {
    const confirmation: Confirmation = {
      subjectKey: key,
      reference: '2026-12-02/1',
      identifiers: [],
      allowed: [],
      recipientPurposes: [],
      acceptedAt: Date.parse('2026-11-22T10:00:00Z'),
    };
    expect(jobsWindow([confirmation])).toEqual({ start: '2026-11-21', end: '2026-12-03' });
    expect(jobOf('reg_1')).toBeUndefined();
  });

  test.each([
    ['no list', answer(200, {}), 'unclear'],
    ['wrong keys', answer(401, {}), 'refused'],
  ])('%s is no listing', (_, given_, kind) =>
    expect(readJobs(given_)).toMatchObject({ kind: 'failed', outcome: { kind } }),
  );
});

test.each([
  ['seen', answer(200, { userData: { user_id: 'u', amp_props: { x: 1 } } }), { kind: 'read', properties: { x: 1 } }],
  [
    'never seen, in Amplitude’s own words',
    answer(200, { error: 'User id and device id not seen before' }),
    { kind: 'read', properties: null },
  ],
  [
    'somebody else',
    answer(200, { userData: { user_id: 'v', amp_props: {} } }),
    { kind: 'failed', outcome: { kind: 'unclear', why: 'unexpected-answer' } },
  ],
  ['a bare 404', answer(404, undefined), { kind: 'failed', outcome: { kind: 'refused', why: 'status-404' } }],
])('a user: %s', (_, given_, read) => expect(readProfile(given_, 'u')).toEqual(read));

describe('ADR 27: whom it is asked about, by its settings', () => {
  const reading = { ...settings, profileUrl: 'https://profile-api.amplitude.com' };
  const job = { reference: '2026-11-22' };
  test.each([
    ['the properties cannot be read', settings, {}, false],
    ['the properties can be read', reading, {}, true],
    ['a deletion is asked for by its job', settings, job, true],
    ['an erasure without a job', settings, { erasure: true }, false],
  ] as const)('%s', (_what, under, accepted, asked) => {
    expect(amplitude.askable?.(under, accepted)).toBe(asked);
  });

  test('people are compared only where their properties can be read', () => {
    expect([amplitude.readable?.(settings), amplitude.readable?.(reading)]).toEqual([false, true]);
  });
});
