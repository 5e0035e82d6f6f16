import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { readBatch, readRegulation } from './client.ts';
import { categoryPreferences, eventOf, statedBy, unmappedPurposes, userIdsOf } from './plan.ts';

const [stats, ads, both] = [purposeId('stats'), purposeId('ads'), purposeId('more-ads')];
const categories = { stats: 'Analytics', ads: 'Advertising', 'more-ads': 'Advertising' };
const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });

describe('the stamp', () => {
  test.each([
    [[stats, ads, both], { Analytics: true, Advertising: true }],
    [[stats, ads], { Analytics: true, Advertising: false }],
    [[], { Analytics: false, Advertising: false }],
  ])('allowed %j -> %j', (allowed, stamp) =>
    expect(categoryPreferences(allowed, [stats, ads, both], categories)).toEqual(stamp),
  );

  test('DLV-5: a revocation says no of what was stopped before and not resumed, granted again or not', () => {
    expect(statedBy({ allowed: [stats, ads], stopped: [ads] })).toEqual([stats]);
  });

  test('a share with an event is tracked, one without identifies; both are stamped', () => {
    const item = (fields: Record<string, unknown>) => ({
      subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
      purpose: stats,
      identifiers: { 'subject-id': 'u1' },
      fields,
      requestId: 'r1',
    });
    expect(eventOf(item({ event: 'Viewed', page: '/' }), { Analytics: true })).toEqual({
      type: 'track',
      event: 'Viewed',
      properties: { page: '/' },
      userId: 'u1',
      messageId: 'r1',
      context: { consent: { categoryPreferences: { Analytics: true } } },
    });
    expect(eventOf(item({ plan: 'free' }), {})).toMatchObject({ type: 'identify', traits: { plan: 'free' } });
  });

  test('user ids once each, and purposes without a category are named', () => {
    expect(userIdsOf([{ 'subject-id': 'a' }, { 'subject-id': 'a' }, {}])).toEqual(['a']);
    expect(unmappedPurposes([stats, purposeId('x')], categories)).toEqual(['x']);
  });
});

describe('answers', () => {
  test.each([
    ['success', answer(200, { success: true }), 'applied'],
    ['a 200 that says no', answer(200, { success: false }), 'retry'],
    ['a 200 of something else', answer(200, undefined), 'unclear'],
    ['bad write key', answer(401, {}), 'refused'],
    ['throttled', answer(429, {}, { 'retry-after': '2' }), 'retry'],
  ])('batch: %s -> %s', (_, given, kind) => expect(readBatch(given).kind).toBe(kind));

  test('a regulation is accepted with its id only', () => {
    expect(readRegulation(answer(200, { data: { regulateId: 'reg_1' } }))).toEqual({
      kind: 'applied',
      reference: 'reg_1',
    });
    expect(readRegulation(answer(200, { data: {} })).kind).toBe('unclear');
    expect(readRegulation(answer(429, {}, { 'retry-after': '2' }))).toMatchObject({ kind: 'retry', afterMs: 2000 });
  });
});
