import { TCString } from '@iabtcf/core';
import { HeaderV1 } from '@iabgpp/cmpapi';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  bitsToText,
  catalogueOfSignals as catalogue,
  gppVector,
  tcString,
  tcVector,
} from '../testing/signal-samples.ts';
import { decodeGppString } from './gpp-string.ts';
import { readSignal } from './read-signal.ts';
import { signalKinds } from './statement.ts';
import { decodeTcString } from './tc-string.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const some = (highest: number) => fc.uniqueArray(fc.integer({ min: 1, max: highest }), { maxLength: 12 });

describe('against the libraries of IAB as oracles', () => {
  test('TC strings are read as @iabtcf/core reads them', () => {
    const options = fc.record({
      ...{ purposes: some(24), legitimateInterests: some(24), vendors: some(600), disclosed: some(600) },
      isServiceSpecific: fc.boolean(),
      restriction: fc.tuple(
        fc.integer({ min: 1, max: 11 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 1, max: 600 }),
      ),
    });
    fc.assert(
      fc.property(options, (drawn) => {
        const raw = tcString(drawn);
        const model = TCString.decode(raw);
        const result = decodeTcString(raw);
        if (result.kind !== 'decoded') throw new Error(result.detail);
        const { string } = result;
        expect(string).toMatchObject({
          ...{ cmpId: model.cmpId, vendorListVersion: model.vendorListVersion, policyVersion: model.policyVersion },
          ...{ consentLanguage: model.consentLanguage, publisherCountryCode: model.publisherCountryCode },
          ...{ created: model.created.toISOString(), isServiceSpecific: model.isServiceSpecific },
        });
        const set = (highest: number, ids: { has(id: number): boolean } | null) =>
          Array.from({ length: highest + 2 }, (_, id) => id).filter((id) => ids?.has(id));
        expect(set(600, string.vendorConsents)).toEqual(set(600, model.vendorConsents));
        expect(set(600, string.disclosedVendors)).toEqual(set(600, model.vendorsDisclosed));
        expect(set(24, string.purposeConsents)).toEqual(set(24, model.purposeConsents));
        expect(set(24, string.purposeLegitimateInterests)).toEqual(set(24, model.purposeLegitimateInterests));
        const [purpose, type, vendor] = drawn.restriction;
        const names = ['not-allowed', 'require-consent', 'require-legitimate-interest'];
        expect(string.restriction(vendor, purpose)).toBe(names[type]);
        expect(model.publisherRestrictions.getRestrictionType(vendor, purpose)).toBe(type);
      }),
      { numRuns: 100 },
    );
  });

  test('Q-1 GPP headers are read as @iabgpp/cmpapi reads them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }), (drawn) => {
        const ids = drawn.sort((a, b) => a - b);
        const header = new HeaderV1();
        // Ids of the future: nothing in the sections is decoded.
        const future = ids.map((id) => id + 100);
        header.setFieldValue('SectionIds', future);
        const read = decodeGppString([header.encode(), ...future.map(() => 'BAAA')].join('~'));
        expect(read.kind === 'decoded' && read.sections.map(({ id }) => id)).toEqual(future);
      }),
    );
  });
});

describe('strings made to hurt: whatever a page’s visitor sends is read in no time', () => {
  // The libraries of IAB write down every id that is announced, which takes them seconds to minutes.
  const fibonacciOfABillion = '0100000100101001000100100010101010000100001' + '1';
  const billionSections = `${bitsToText(`000011000001${'1'.padStart(12, '0')}1${'11'}${fibonacciOfABillion}`)}~BAAA`;
  test.each([
    ['tcf', tcString({ restriction: [2, 0, 1, 65_535] })],
    ['tcf', `${tcVector.split('.')[0]}.${'I'.padEnd(16_000, '_')}`],
    ['gpp', billionSections],
    ['gpp', `DB${'_'.repeat(30_000)}~BAAA`],
  ] as const)('%s %#', (kind, raw) => {
    // Of the processor, not of the clock: other tests run at the same time.
    const before = process.cpuUsage();
    readSignal(kind, raw, catalogue, now);
    expect(process.cpuUsage(before).user).toBeLessThan(500_000);
  });

  test('nothing that is sent is anything but read or unreadable', () => {
    const cut = fc
      .tuple(
        fc.constantFrom(tcVector, tcString({ purposes: [1, 3, 4] }), gppVector, `DBACNYA~${tcVector}~1YNN`),
        fc.nat(120),
        fc.string({ maxLength: 3 }),
      )
      .map(([raw, at, put]) => raw.slice(0, at) + put + raw.slice(at + put.length));
    fc.assert(
      fc.property(fc.constantFrom(...signalKinds), fc.oneof(cut, fc.string(), fc.base64String()), (kind, raw) => {
        expect(['read', 'unreadable']).toContain(readSignal(kind, raw, catalogue, now).kind);
      }),
      { numRuns: 3_000 },
    );
  });
});
