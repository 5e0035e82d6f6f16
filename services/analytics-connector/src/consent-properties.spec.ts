import { purposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { deniedAll, denialOf, distinctIdsOf, grantedBy, servedBy, shows } from './consent-properties.ts';

const [stats, ads, other] = [purposeId('stats'), purposeId('ads'), purposeId('other')];
const properties = { stats: 'stats_consent', ads: 'ads_consent' };

describe('consent as properties of a person', () => {
  test.each([
    [[], { stats_consent: 'denied', ads_consent: 'denied' }, [other]],
    [[stats], { ads_consent: 'denied' }, [other]],
    [[stats, other], { ads_consent: 'denied' }, []],
    [[stats, ads, other], {}, []],
  ])('DLV-1: the plan is made from what stays: %j', (allowed, denied, unmapped) => {
    expect(denialOf(allowed, [stats, ads, other], properties)).toEqual({ denied, unmapped });
  });

  test('a purpose that the recipient no longer has is denied too', () => {
    expect(denialOf([stats], [stats], properties)).toEqual({ denied: { ads_consent: 'denied' }, unmapped: [] });
  });

  test('a share writes its own purpose alone, and none without a property', () => {
    expect(grantedBy(ads, properties)).toEqual({ ads_consent: 'granted' });
    expect(grantedBy(other, properties)).toBeUndefined();
    expect(grantedBy(purposeId('constructor'), properties)).toBeUndefined();
  });

  test('what a person’s properties say is read as it was written', () => {
    expect(servedBy({ stats_consent: 'granted', ads_consent: 'denied' }, [stats, ads, other], properties)).toEqual([
      stats,
    ]);
    expect(shows({ stats_consent: 'denied', plan: 'free' }, { stats_consent: 'denied' })).toBe(true);
    expect(shows({ stats_consent: 'denied' }, deniedAll(properties))).toBe(false);
    expect(shows({}, { stats_consent: 'denied' })).toBe(false);
  });

  test('every identifier ever shared is meant, each once', () => {
    expect(
      distinctIdsOf([{ 'subject-id': 'u1' }, { email: 'a@b.de' }, { 'subject-id': 'u2' }, { 'subject-id': 'u1' }]),
    ).toEqual(['u1', 'u2']);
  });
});
