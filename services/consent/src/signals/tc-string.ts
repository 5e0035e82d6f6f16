import { TCString } from '@iabtcf/core';
import type { TCModel } from '@iabtcf/core';

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
  readonly vendorConsents: ReadonlySet<number>;
  readonly vendorLegitimateInterests: ReadonlySet<number>;
  /** Null where the mandatory segment is missing. */
  readonly disclosedVendors: ReadonlySet<number> | null;
  /** What the publisher restricts a vendor to for a purpose; beats what the vendor's own bits say. */
  readonly restriction: (vendor: number, purpose: number) => Restriction | undefined;
}

/** In the order of their codes 0 to 2. */
const restrictions = ['not-allowed', 'require-consent', 'require-legitimate-interest'] as const;
type Restriction = (typeof restrictions)[number];

/** Longer than any string of the whole vendor list; decoding is not for free. */
const longestString = 16_384;
const segments = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
/** The first three bits of a segment name its type; `001` are the disclosed vendors. */
const isDisclosedVendors = (segment: string): boolean => /^[I-P]/.test(segment);

export type Decoded =
  { readonly kind: 'decoded'; readonly string: TcString } | { readonly kind: 'unreadable'; readonly detail: string };

const unreadable = (detail: string): Decoded => ({ kind: 'unreadable', detail });

export function decodeTcString(raw: string): Decoded {
  if (raw === '') return unreadable('is empty');
  if (raw.length > longestString) return unreadable(`is longer than ${longestString} characters`);
  if (raw.startsWith('DB')) return unreadable('looks like a GPP string: send it as kind gpp');
  if (!segments.test(raw)) return unreadable('is not base64url segments joined by dots');
  if (!raw.startsWith('C')) return unreadable('is not version 2 of the TC string');
  let model: TCModel;
  try {
    model = TCString.decode(raw);
  } catch {
    // The library throws whatever it stumbles over; its words help nobody.
    return unreadable('cannot be decoded: a segment is cut off or is none of TCF');
  }
  const hasDisclosed = raw.split('.').slice(1).some(isDisclosedVendors);
  return { kind: 'decoded', string: toTcString(model, hasDisclosed) };
}

function toTcString(model: TCModel, hasDisclosed: boolean): TcString {
  return {
    cmpId: Number(model.cmpId),
    cmpVersion: Number(model.cmpVersion),
    consentScreen: Number(model.consentScreen),
    consentLanguage: model.consentLanguage,
    vendorListVersion: Number(model.vendorListVersion),
    policyVersion: Number(model.policyVersion),
    isServiceSpecific: model.isServiceSpecific,
    useNonStandardTexts: model.useNonStandardStacks,
    purposeOneTreatment: model.purposeOneTreatment,
    publisherCountryCode: model.publisherCountryCode,
    created: model.created.toISOString(),
    lastUpdated: model.lastUpdated.toISOString(),
    purposeConsents: setBits(model.purposeConsents),
    purposeLegitimateInterests: setBits(model.purposeLegitimateInterests),
    specialFeatureOptIns: setBits(model.specialFeatureOptins),
    vendorConsents: setBits(model.vendorConsents),
    vendorLegitimateInterests: setBits(model.vendorLegitimateInterests),
    disclosedVendors: hasDisclosed ? setBits(model.vendorsDisclosed) : null,
    restriction: (vendor, purpose) => {
      const type = model.publisherRestrictions.getRestrictionType(vendor, purpose);
      return type === undefined ? undefined : restrictions[type];
    },
  };
}

const setBits = (bits: Iterable<readonly [number, boolean]>): ReadonlySet<number> =>
  new Set([...bits].filter(([, isSet]) => isSet).map(([bit]) => bit));

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
  if (Date.parse(string.lastUpdated) > now) faults.push('LastUpdated lies in the future');
  return faults;
}
