import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { readContact, readStatuses, readUpsert } from './client.ts';
import { contactInputs, emailsOf, planRevocation } from './plan.ts';

const [news, ads, calls] = [purposeId('news'), purposeId('ads'), purposeId('calls')];
const settings = { subscriptions: { news: 1, ads: 2 }, consentProperties: { ads: 'ad_sharing_consent' } };
const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });

describe('the plan is made from the set that stays', () => {
  test.each([
    [
      'one purpose less',
      [news],
      [news, ads],
      { fromEverything: false, subscriptions: [2], properties: { ad_sharing_consent: 'denied' }, unmapped: [] },
    ],
    [
      'none left',
      [],
      [news, ads],
      { fromEverything: true, subscriptions: [], properties: { ad_sharing_consent: 'denied' }, unmapped: [] },
    ],
    [
      'nothing to do',
      [news, ads],
      [news, ads],
      { fromEverything: false, subscriptions: [], properties: {}, unmapped: [] },
    ],
    [
      'a purpose nothing stands for',
      [news, ads],
      [news, ads, calls],
      { fromEverything: false, subscriptions: [], properties: {}, unmapped: [calls] },
    ],
  ])('%s', (_, allowed, all, plan) => expect(planRevocation(allowed, all, settings)).toEqual(plan));

  test('each address once', () => {
    expect(emailsOf([{ email: 'a@b.c' }, { email: 'd@e.f' }, { email: 'a@b.c' }, {}])).toEqual(['a@b.c', 'd@e.f']);
  });

  test('one input per address, with the consent of this moment', () => {
    const item = (fields: Record<string, unknown>) => ({
      subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
      purpose: news,
      identifiers: { email: 'a@b.c' },
      fields,
      requestId: 'r',
    });
    expect(contactInputs([item({ plan: 'free' }), item({ city: 'Lyon' })], () => [ads], settings)).toEqual([
      { id: 'a@b.c', idProperty: 'email', properties: { plan: 'free', city: 'Lyon', ad_sharing_consent: 'granted' } },
    ]);
  });
});

describe('an answer is read from its body, never from its status alone', () => {
  const complete = { status: 'COMPLETE', results: [{ subscriptionId: 2, status: 'UNSUBSCRIBED' }] };
  test.each([
    ['complete and shown', answer(200, complete), 'applied'],
    [
      'another state is shown',
      answer(200, { ...complete, results: [{ subscriptionId: 2, status: 'SUBSCRIBED' }] }),
      'unclear',
    ],
    ['no result', answer(200, { ...complete, results: [] }), 'unclear'],
    ['an error inside', answer(200, { ...complete, numErrors: 1 }), 'retry'],
    ['cancelled', answer(200, { ...complete, status: 'CANCELED' }), 'retry'],
    ['still processing', answer(200, { ...complete, status: 'PROCESSING' }), 'unclear'],
    ['not JSON', answer(200, undefined), 'unclear'],
    ['a bare 404', answer(404, undefined), 'refused'],
    ['throttled', answer(429, {}), 'retry'],
    ['daily limit', answer(429, { policyName: 'DAILY' }), 'retry'],
    ['expired token', answer(401, {}), 'refused'],
    ['server error', answer(503, {}), 'retry'],
  ])('%s -> %s', (_, given, kind) => expect(readStatuses(given, 'UNSUBSCRIBED', 2).kind).toBe(kind));

  test('429 names its pause in the interval header', () => {
    const headers = { 'x-hubspot-ratelimit-interval-milliseconds': '4000' };
    expect(readStatuses(answer(429, {}, headers), 'UNSUBSCRIBED')).toEqual({
      kind: 'retry',
      why: 'throttled',
      afterMs: 4000,
    });
  });

  test('a contact HubSpot does not know has no property to deny', () => {
    expect(readContact(answer(404, { category: 'OBJECT_NOT_FOUND' }), {}).kind).toBe('nothing-to-do');
    expect(readContact(answer(200, { properties: { a: 'granted' } }), { a: 'denied' }).kind).toBe('retry');
  });

  test('207: each address has its own outcome', () => {
    const body = {
      results: [{ properties: { email: 'A@b.c' } }],
      errors: [{ category: 'VALIDATION_ERROR', context: { ids: ['bad'] } }],
    };
    expect(readUpsert(answer(207, body), ['A@b.c', 'bad', 'lost@b.c']).map(({ kind }) => kind)).toEqual([
      'applied',
      'refused',
      'unclear',
    ]);
  });
});
