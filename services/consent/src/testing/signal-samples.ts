import { catalogueOf, noticeRef, purposeId, recipientId } from '@entente/contracts';
import type { CatalogueDocument } from '@entente/contracts';

const text = { en: 'x', fr: 'x' };
const purpose = (id: string, more: object = {}) => ({
  ...{ id, title: text, description: text, legalBasis: 'consent', dataCategories: ['contact'], party: 'first' },
  ...{ fields: [], active: true },
  ...more,
});
const recipient = (id: string, kind: string, purposes: string[], more: object = {}) => ({
  ...{ id, name: id, kind, partner: id, purposes, identifiers: ['subject-id'], preloaded: false, active: true },
  ...more,
});

/**
 * Purposes as signals see them: ads and measurement stand on TCF and are sold and shared, analytics is TCF alone, profiling
 * rests on a legitimate interest, mail is unmapped and served by no ad partner, legacy is unmapped and served by one.
 */
export const signalCatalogue = {
  purposes: [
    purpose('ads', {
      ...{ party: 'third', reaskAfterDays: 365 },
      mapping: {
        tcf: { purposes: [1, 3, 4] },
        gpp: ['SaleOptOut', 'SharingOptOut', 'TargetedAdvertisingOptOut'],
        consentMode: ['ad_storage', 'ad_personalization'],
        att: true,
      },
    }),
    purpose('measurement', {
      mapping: { tcf: { purposes: [7] }, gpp: ['TargetedAdvertisingOptOut'], consentMode: ['ad_storage'] },
    }),
    purpose('analytics', {
      validityDays: 180,
      mapping: { tcf: { purposes: [8, 9] }, gpp: ['PersonalDataConsents'], consentMode: ['analytics_storage'] },
    }),
    purpose('profiling', { legalBasis: 'legitimate-interest', mapping: { tcf: { purposes: [2] } } }),
    purpose('mail'),
    purpose('legacy'),
    purpose('health', { explicit: true, mapping: { tcf: { purposes: [10] } } }),
    purpose('games', { minAge: 16, mapping: { tcf: { purposes: [10] } } }),
  ],
  recipients: [
    recipient('vendor-100', 'ad-partner', ['ads', 'legacy'], { tcfVendor: 100 }),
    recipient('vendor-404', 'ad-partner', ['ads'], { tcfVendor: 404 }),
    recipient('counter', 'analytics', ['analytics', 'measurement']),
  ],
  notices: [
    {
      id: 'privacy',
      version: 1,
      text,
      purposes: {
        ads: ['vendor-100', 'vendor-404'],
        measurement: ['counter'],
        analytics: ['counter'],
        ...{ profiling: [], mail: [], legacy: ['vendor-100'], health: [], games: [] },
      },
    },
  ],
};

export const catalogueOfSignals = catalogueOf({
  number: 1,
  ...signalCatalogue,
  notices: signalCatalogue.notices.map((notice) => ({ ...notice, contentHash: '0'.repeat(64) })),
} as unknown as CatalogueDocument);

export const privacy1 = noticeRef('privacy', 1);
export const ids = {
  ads: purposeId('ads'),
  measurement: purposeId('measurement'),
  analytics: purposeId('analytics'),
  vendor100: recipientId('vendor-100'),
  vendor404: recipientId('vendor-404'),
};

/** standards.md §5: cmpId 880, vendor list 48, 2025-06-03, disclosed {1,2,3,4,5,100,404}; no purpose permitted. */
export const tcVector = 'CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA';
/** standards.md §5: usnat, three opt-outs and Gpc. */
export const gppVector = 'DBABLA~CAAVAAAAAABA.YA';

interface TcOptions {
  readonly purposes?: readonly number[];
  readonly legitimateInterests?: readonly number[];
  readonly vendors?: readonly number[];
  readonly disclosed?: readonly number[] | null;
  readonly restriction?: readonly [purpose: number, type: number, vendor: number, last?: number];
  readonly isServiceSpecific?: boolean;
  /** A day, `YYYY-MM-DD`. */
  readonly updated?: string;
  readonly created?: string;
}

/** Only tests write TC strings, bit by bit as IAB's specification has them: a CMP alone may make one (T-2). */
export function tcString(options: TcOptions = {}): string {
  const { purposes = [], legitimateInterests = [], vendors = [], disclosed = [100, 404], restriction } = options;
  const { isServiceSpecific = true, updated = '2026-11-20', created = updated } = options;
  const deciseconds = (day: string) => number(Date.parse(`${day}T00:00:00Z`) / 100, 36);
  const core = [
    number(2, 6) + deciseconds(created) + deciseconds(updated),
    // CmpId, CmpVersion, ConsentScreen, ConsentLanguage EN, VendorListVersion, TcfPolicyVersion.
    number(880, 12) + number(1, 12) + number(1, 6) + number(4, 6) + number(13, 6) + number(48, 12) + number(5, 6),
    (isServiceSpecific ? '1' : '0') + '0',
    flags([], 12) + flags(purposes, 24) + flags(legitimateInterests, 24),
    // PurposeOneTreatment, PublisherCC FR.
    '0' + number(5, 6) + number(17, 6),
    vendorBits(vendors) + vendorBits([]),
    restriction === undefined ? number(0, 12) : restricted(...restriction),
  ].join('');
  const segments = [core, ...(disclosed === null ? [] : [number(1, 3) + vendorBits(disclosed)])];
  return segments.map(bitsToText).join('.');
}

const restricted = (purpose: number, type: number, vendor: number, last?: number): string =>
  number(1, 12) +
  number(purpose, 6) +
  number(type, 2) +
  number(1, 12) +
  (last === undefined ? '0' + number(vendor, 16) : '1' + number(vendor, 16) + number(last, 16));

const number = (value: number, bits: number): string => value.toString(2).padStart(bits, '0');
const flags = (set: readonly number[], bits: number): string =>
  Array.from({ length: bits }, (_, index) => (set.includes(index + 1) ? '1' : '0')).join('');
/** MaxVendorId, then one bit for each vendor. */
const vendorBits = (vendors: readonly number[]): string =>
  number(Math.max(0, ...vendors), 16) + '0' + flags(vendors, Math.max(0, ...vendors));

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Base64url text of these bits, in whole groups of four letters. */
export const bitsToText = (bits: string): string =>
  (bits.padEnd(Math.ceil(bits.length / 24) * 24, '0').match(/.{6}/g) ?? [])
    .map((six) => alphabet.charAt(Number.parseInt(six, 2)))
    .join('');
