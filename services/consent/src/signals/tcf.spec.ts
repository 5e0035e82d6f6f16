import { describe, expect, test } from '@jest/globals';
import { catalogueOfSignals as catalogue, tcString, tcVector } from '../testing/signal-samples.ts';
import { decodeTcString, tcStringFaults } from './tc-string.ts';
import type { TcString } from './tc-string.ts';
import { readTcf } from './tcf.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const all = { purposes: [1, 2, 3, 4, 7, 8, 9, 10], legitimateInterests: [2], vendors: [100, 404] };
const read = (raw: string) => {
  const reading = readTcf(raw, catalogue, now);
  if (reading.kind !== 'read') throw new Error(reading.detail);
  return reading;
};
const saysOf = (raw: string) => Object.fromEntries(read(raw).statements.map(({ purpose, says }) => [purpose, says]));
const because = (raw: string, purpose: string) =>
  read(raw).statements.find((statement) => statement.purpose === (purpose as never));
const decoded = (raw: string): TcString => {
  const result = decodeTcString(raw);
  if (result.kind !== 'decoded') throw new Error(result.detail);
  return result.string;
};

describe('decoding', () => {
  test('T-3 the test vector of the standard, field by field', () => {
    expect(decoded(tcVector)).toMatchObject({
      ...{ cmpId: 880, vendorListVersion: 48, consentLanguage: 'EN', publisherCountryCode: 'DE' },
      ...{ created: '2025-06-03T00:00:00.000Z', lastUpdated: '2025-06-03T00:00:00.000Z', isServiceSpecific: true },
      purposeConsents: new Set(),
    });
    const disclosed = Array.from({ length: 500 }, (_, id) => id).filter((id) =>
      decoded(tcVector).disclosedVendors?.has(id),
    );
    expect(disclosed).toEqual([1, 2, 3, 4, 5, 100, 404]);
  });

  test('T-3 every field of the core is told', () => {
    const string = decoded(tcString({ ...all, restriction: [3, 0, 404] }));
    expect(string).toMatchObject({
      ...{ cmpVersion: 1, consentScreen: 1, policyVersion: 5, useNonStandardTexts: false, purposeOneTreatment: false },
      ...{ publisherCountryCode: 'FR', purposeConsents: new Set(all.purposes) },
      ...{ purposeLegitimateInterests: new Set([2]), specialFeatureOptIns: new Set() },
    });
    expect(string.restriction(404, 3)).toBe('not-allowed');
    expect(string.restriction(100, 3)).toBeUndefined();
  });

  test.each([
    ['', 'is empty'],
    ['x', 'not version 2'],
    ['BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA', 'not version 2'],
    ['C', 'cannot be decoded'],
    ['CQ', 'cannot be decoded'],
    [tcVector.slice(0, 20), 'cannot be decoded'],
    [`${tcVector.split('.')[0]}.IDKQ`, 'cannot be decoded'],
    [`${tcVector}.`, 'is not base64url'],
    [`${tcVector.split('.')[0]}.!!!!`, 'is not base64url'],
    ['DBABLA~CAAVAAAAAABA.YA', 'send it as kind gpp'],
    ['C'.repeat(20_000), 'is longer'],
  ])('a malformed string %p is told what is wrong', (raw, detail) => {
    expect(readTcf(raw, catalogue, now)).toEqual({ kind: 'unreadable', detail: expect.stringContaining(detail) });
  });
});

describe('validity', () => {
  test('T-1 a string without disclosed vendors is not valid', () => {
    const [core] = tcVector.split('.') as [string];
    expect(tcStringFaults(decoded(core), now)).toEqual([expect.stringContaining('disclosed vendors missing')]);
    expect(tcStringFaults(decoded(tcVector), now)).toEqual([]);
  });

  test.each([
    ['not service specific', tcString({ isServiceSpecific: false }), 'IsServiceSpecific'],
    ['a legitimate interest for purpose 4', tcString({ legitimateInterests: [4] }), 'legitimate interest'],
    ['two days', tcString({ created: '2026-11-01' }), 'differ'],
    ['a day to come', tcString({ updated: '2026-12-24' }), 'future'],
  ])('T-3 %s is a fault', (_what, raw, fault) => {
    expect(tcStringFaults(decoded(raw), now)).toEqual([expect.stringContaining(fault)]);
  });

  test('what an invalid string permits is worth nothing, what it denies counts', () => {
    expect(saysOf(tcString({ ...all, purposes: [8, 9], disclosed: null }))).toEqual({
      ...{ ads: 'denies', measurement: 'denies', analytics: 'nothing', profiling: 'nothing' },
      ...{ health: 'denies', games: 'denies' },
    });
  });
});

describe('what a string says of our purposes', () => {
  test('T-4 a purpose is allowed when all it stands on is; U-3 unmapped purposes are not spoken of', () => {
    expect(saysOf(tcString(all))).toEqual({
      ...{ ads: 'allows', measurement: 'allows', analytics: 'allows', profiling: 'allows', health: 'allows' },
      games: 'allows',
    });
    expect(because(tcString({ ...all, purposes: [1, 3] }), 'ads')).toMatchObject({
      says: 'denies',
      because: 'tcf-purpose-4',
    });
  });

  test('a purpose that rests on a legitimate interest is read from those bits', () => {
    expect(because(tcString({ ...all, legitimateInterests: [] }), 'profiling')).toMatchObject({ says: 'denies' });
  });

  test.each([
    ['not disclosed', { disclosed: [100] }],
    ['without its consent bit', { vendors: [100] }],
    ['not allowed by the publisher', { restriction: [3, 0, 404] }],
    ['restricted to legitimate interest', { restriction: [3, 2, 404] }],
  ] as const)('T-4 a vendor %s is excluded by name', (_what, more) => {
    const statement = because(tcString({ ...all, ...more }), 'ads');
    expect(statement).toMatchObject({ says: 'allows', refuses: ['vendor-404'] });
  });

  test('T-4 a restriction to consent excludes nobody who has it', () => {
    expect(because(tcString({ ...all, restriction: [3, 1, 404] }), 'ads')).not.toHaveProperty('refuses');
  });

  test('T-6 the act is dated by its day', () => {
    expect(read(tcString({ ...all, updated: '2026-11-20' })).actedAt).toBe('2026-11-20T00:00:00.000Z');
  });
});
