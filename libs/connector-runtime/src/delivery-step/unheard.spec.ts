import { purposeId, type ConsentVector } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { newDelivery, type Delivery } from './delivery.ts';
import type { RecipientFacts } from './delivery-step.ts';
import { doubtWiped, mayHideDenial, tellUnheard } from './unheard.ts';

const [ads, mail] = [purposeId('ads'), purposeId('mail')];
const facts: RecipientFacts = { purposes: [ads, mail], preloaded: false };
const exposed: Delivery = { ...newDelivery, version: 1, desired: [ads, mail], catalogue: 1, exposed: [ads, mail] };
const denied = { direction: 'deny' } as const;

describe('TRK-1: versions nobody will hand over again', () => {
  const since = '2026-01-01T00:00:00Z';
  const vector = (decision: 'granted' | 'withdrawn' | 'erased', purpose = ads): ConsentVector => ({
    [purpose]: { decision, since },
  });
  const [granted, withdrawn, erased] = [vector('granted'), vector('withdrawn'), vector('erased')];

  test.each([
    ['what stands denied may be it', exposed, withdrawn, [], true],
    ['an erasure', exposed, erased, [], true],
    ['nobody left', exposed, {}, [], true],
    ['all that is known of is allowed', exposed, granted, [ads], false],
    ['a purpose of others', exposed, vector('withdrawn', purposeId('other')), [], false],
    ['one allowed, one denied', exposed, { ...granted, ...vector('withdrawn', mail) }, [ads], true],
    ['one on its way answers for all', { ...exposed, state: 'due' as const }, granted, [ads], true],
  ])('may hide a denial: %s', (_what, row, given, desired, hides) =>
    expect(mayHideDenial(row, { vector: given, desired }, facts)).toBe(hides),
  );

  test('a newer version that needs nothing answers for those below it', () => {
    const delivery: Delivery = { ...exposed, version: 4 };
    const answer = [{ ...denied, version: 4, outcome: 'never-shared', attempts: 0 }];
    expect(tellUnheard(exposed, { delivery, enforcements: [] })).toEqual({ delivery, enforcements: answer });
  });

  test.each([
    ['no newer version', exposed, []],
    ['an answer of its own', { ...exposed, version: 4 }, [{ ...denied, version: 4, outcome: 'accepted', attempts: 1 }]],
    ['one on its way', { ...exposed, version: 4, state: 'due' }, []],
  ] as const)('but not: %s', (_what, delivery, enforcements) => {
    const stepped = { delivery: delivery, enforcements: [...enforcements] };
    expect(tellUnheard(exposed, stepped)).toEqual(stepped);
  });

  test('a wiped row is doubted across a gap, and only there', () => {
    const wiped: Delivery = { ...newDelivery, version: 3, wiped: true };
    expect(doubtWiped(wiped, 5)).toEqual({ ...wiped, wiped: false });
    expect(doubtWiped(wiped, 4)).toBe(wiped);
    expect(doubtWiped(exposed, 9)).toBe(exposed);
  });
});
