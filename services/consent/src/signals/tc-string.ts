import { BadBits, BitReader } from './bits.ts';
import { readRanges, readVendors } from './vendor-ids.ts';
import type { VendorIds } from './vendor-ids.ts';

/** A decoded TC string: what its core and its disclosed vendors say. Never encoded again: only a CMP may (T-2). */
export interface TcString {
  readonly cmpId: number;
  readonly cmpVersion: number;
  readonly consentScreen: number;
  readonly consentLanguage: string;
  readonly vendorListVersion: number;
  readonly policyVersion: number;
  readonly isServiceSpecific: boolean;
  readonly useNonStandardTexts: boolean;
  readonly purposeOneTreatment: boolean;
  readonly publisherCountryCode: string;
  /** Days, ISO 8601 at midnight UTC: the string knows no time of day (T-6). */
  readonly created: string;
  readonly lastUpdated: string;
  readonly purposeConsents: ReadonlySet<number>;
  readonly purposeLegitimateInterests: ReadonlySet<number>;
  readonly specialFeatureOptIns: ReadonlySet<number>;
  readonly vendorConsents: VendorIds;
  readonly vendorLegitimateInterests: VendorIds;
  /** Null where the mandatory segment is missing. */
  readonly disclosedVendors: VendorIds | null;
  /** What the publisher restricts a vendor to for a purpose; beats what the vendor's own bits say. */
  readonly restriction: (vendor: number, purpose: number) => Restriction | undefined;
  /** Segments of a type that TCF 2.3 does not have. */
  readonly hasUnknownSegments: boolean;
}

/** In the order of their codes 0 to 2; the first of several counts. */
const restrictions = ['not-allowed', 'require-consent', 'require-legitimate-interest'] as const;
type Restriction = (typeof restrictions)[number];

/** Longer than any string of the whole vendor list. */
const longestString = 16_384;
const segmentsOfText = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
/** Types of the segments after the core: disclosed vendors, allowed vendors, the publisher's own purposes. */
const [disclosedVendors, allowedVendors, publisherTc] = [1, 2, 3];

export type Decoded =
  { readonly kind: 'decoded'; readonly string: TcString } | { readonly kind: 'unreadable'; readonly detail: string };

const unreadable = (detail: string): Decoded => ({ kind: 'unreadable', detail });

/** In time that grows with the text alone, whatever the text announces. */
export function decodeTcString(raw: string): Decoded {
  if (raw === '') return unreadable('is empty');
  if (raw.length > longestString) return unreadable(`is longer than ${longestString} characters`);
  if (raw.startsWith('DB')) return unreadable('looks like a GPP string: send it as kind gpp');
  if (!segmentsOfText.test(raw)) return unreadable('is not base64url segments joined by dots');
  if (!raw.startsWith('C')) return unreadable('is not version 2 of the TC string');
  try {
    return { kind: 'decoded', string: readString(raw) };
  } catch (error) {
    if (!(error instanceof BadBits)) throw error;
    return unreadable(`cannot be decoded: ${error.message}`);
  }
}

function readString(raw: string): TcString {
  const [core = '', ...others] = raw.split('.');
  const bits = new BitReader(core);
  bits.take(6); // The version, which the first letter has told.
  const fields = {
    created: readDay(bits),
    lastUpdated: readDay(bits),
    cmpId: bits.take(12),
    cmpVersion: bits.take(12),
    consentScreen: bits.take(6),
    consentLanguage: bits.letters(2),
    vendorListVersion: bits.take(12),
    policyVersion: bits.take(6),
    isServiceSpecific: bits.flag(),
    useNonStandardTexts: bits.flag(),
    specialFeatureOptIns: bits.positions(12),
    purposeConsents: bits.positions(24),
    purposeLegitimateInterests: bits.positions(24),
    purposeOneTreatment: bits.flag(),
    publisherCountryCode: bits.letters(2),
    vendorConsents: readVendors(bits),
    vendorLegitimateInterests: readVendors(bits),
  };
  return { ...fields, restriction: readRestrictions(bits), ...readSegments(others) };
}

/** Tenths of a second since 1970. */
const readDay = (bits: BitReader): string => new Date(bits.take(36) * 100).toISOString();

function readRestrictions(bits: BitReader): TcString['restriction'] {
  const read = Array.from({ length: bits.take(12) }, () => {
    const purpose = bits.take(6);
    const type = bits.take(2);
    return { purpose, type, vendors: readRanges(bits) };
  });
  return (vendor, purpose) => {
    const types = read.filter((one) => one.purpose === purpose && one.vendors.has(vendor)).map(({ type }) => type);
    return types.length === 0 ? undefined : restrictions[Math.min(...types)];
  };
}

function readSegments(segments: readonly string[]): Pick<TcString, 'disclosedVendors' | 'hasUnknownSegments'> {
  let disclosed: VendorIds | null = null;
  let hasUnknownSegments = false;
  for (const segment of segments) {
    const bits = new BitReader(segment);
    const type = bits.take(3);
    if (type === disclosedVendors) disclosed = readVendors(bits);
    else if (type !== allowedVendors && type !== publisherTc) hasUnknownSegments = true;
  }
  return { disclosedVendors: disclosed, hasUnknownSegments };
}

/** Purposes for which no vendor may claim a legitimate interest (TCF policies 2.2). */
const consentOnly = [3, 4, 5, 6];

/** Why a decoded string is not valid, and so permits nothing. */
export function tcStringFaults(string: TcString, now: number): string[] {
  const faults: string[] = [];
  if (string.disclosedVendors === null) faults.push('disclosed vendors missing: TCF 2.3 needs that segment');
  if (!string.isServiceSpecific) faults.push('IsServiceSpecific is not set');
  if (consentOnly.some((purpose) => string.purposeLegitimateInterests.has(purpose)))
    faults.push('a legitimate interest is claimed for a purpose from 3 to 6');
  if (string.created !== string.lastUpdated) faults.push('Created and LastUpdated differ');
  if (string.hasUnknownSegments) faults.push('a segment is of a type not known here');
  if (Date.parse(string.lastUpdated) > now) faults.push('LastUpdated lies in the future');
  return faults;
}
