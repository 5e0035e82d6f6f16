import { consentModeKeys, purposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { catalogueOfSignals as catalogue, gppVector, ids, tcString } from '../testing/signal-samples.ts';
import type { StandingSignal } from './signal-store.ts';
import { consentModeView, gppView, tcfView } from './views.ts';
import type { Permitted } from './views.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const permitted = (...purposes: string[]): Permitted => ({
  purposes: new Set(purposes.map(purposeId)),
  refused: new Map(),
});
const everything = permitted(...[...catalogue.purposes.keys()]);
const signal = (kind: StandingSignal['kind'], raw: string, more: object = {}): StandingSignal => ({
  ...{ kind, raw, source: 'default', receivedAt: '2026-11-20T10:00:00.000000Z', denies: [] },
  ...more,
});
const all = { purposes: [1, 2, 3, 4, 7, 8, 9, 10], legitimateInterests: [2], vendors: [100, 404] };
const consented = signal('tcf', tcString(all));

describe('A-2 Google Consent Mode', () => {
  test('every key is always there, denied by default', () => {
    expect(consentModeView(catalogue, permitted())).toEqual(
      Object.fromEntries(consentModeKeys.map((key) => [key, 'denied'])),
    );
  });

  test('a key is granted when every purpose mapped to it is', () => {
    expect(consentModeView(catalogue, permitted('ads'))).toMatchObject({
      ...{ ad_storage: 'denied', ad_personalization: 'granted' },
    });
    expect(consentModeView(catalogue, permitted('ads', 'measurement'))).toMatchObject({ ad_storage: 'granted' });
  });

  test('U-3 a key nothing is mapped to stays denied', () => {
    expect(consentModeView(catalogue, everything)).toMatchObject({
      ad_user_data: 'denied',
      security_storage: 'denied',
    });
  });
});

describe('TCF', () => {
  test('T-2 the string is passed on byte for byte', () => {
    expect(tcfView(catalogue, everything, [consented], now).tcString).toMatchObject({ string: consented.raw });
  });

  test('a string that permits what was withdrawn since is withheld', () => {
    const withdrawn = permitted('measurement', 'analytics', 'profiling', 'health', 'games');
    expect(tcfView(catalogue, withdrawn, [consented], now).tcString).toEqual({
      ...{ string: null, withheld: 'permits-more-than-recorded' },
    });
  });

  test('so is one that permits a vendor the person has refused', () => {
    const refused = { ...everything, refused: new Map([[ids.ads, [ids.vendor404]]]) };
    expect(tcfView(catalogue, refused, [consented], now).tcString).toMatchObject({ string: null });
    const without = signal('tcf', tcString({ ...all, vendors: [100] }));
    expect(tcfView(catalogue, refused, [without], now).tcString).toMatchObject({ string: without.raw });
  });

  test.each([
    [[], 'none-received'],
    [[signal('tcf', tcString({ ...all, disclosed: null }))], 'not-valid'],
  ])('without a valid string there is none: %#', (signals, withheld) => {
    expect(tcfView(catalogue, everything, signals, now).tcString).toEqual({ string: null, withheld });
  });

  test('of several sources the one heard last', () => {
    const later = signal('tcf', tcString({ ...all, updated: '2026-11-21' }), {
      ...{ source: 'app', receivedAt: '2026-11-21T10:00:00.000000Z' },
    });
    expect(tcfView(catalogue, everything, [later, consented], now).tcString).toMatchObject({ source: 'app' });
  });

  test('purposes are told from the record; U-3 unmapped ones are denied', () => {
    expect(tcfView(catalogue, permitted('ads', 'analytics', 'health'), [], now).purposes).toEqual({
      ...{ 1: true, 2: false, 3: true, 4: true, 5: false, 6: false, 7: false, 8: true, 9: true },
      // Two purposes stand on it, and one of them is denied.
      ...{ 10: false, 11: false },
    });
  });
});

describe('GPP', () => {
  test('Q-5 the string is passed on byte for byte', () => {
    expect(gppView(catalogue, permitted('analytics'), [signal('gpp', gppVector)], now).gppString).toMatchObject({
      string: gppVector,
    });
  });

  test('a string that leaves open what the record denies is withheld', () => {
    expect(gppView(catalogue, permitted(), [signal('gpp', gppVector)], now).gppString).toEqual({
      ...{ string: null, withheld: 'permits-more-than-recorded' },
    });
  });

  test('an opt-out stands while one purpose mapped to it is denied', () => {
    expect(gppView(catalogue, permitted('ads', 'measurement'), [], now).optOuts).toEqual({
      ...{ PersonalDataConsents: true, SaleOptOut: true, SharingOptOut: true, TargetedAdvertisingOptOut: true },
    });
    expect(gppView(catalogue, permitted('ads', 'measurement', 'legacy'), [], now).optOuts).toMatchObject({
      ...{ SaleOptOut: false, TargetedAdvertisingOptOut: false },
    });
  });
});
