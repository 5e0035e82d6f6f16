import type { Catalogue, Purpose, Recipient, RecipientId } from '@entente/contracts';
import type { ReadSignal, Reading, Statement } from './statement.ts';
import { decodeTcString, tcStringFaults } from './tc-string.ts';
import type { TcString } from './tc-string.ts';

/** A TC string of TCF 2.3, for our purposes and the vendors among our recipients. */
export function readTcf(raw: string, catalogue: Catalogue, now: number): Reading {
  const decoded = decodeTcString(raw);
  return decoded.kind === 'unreadable' ? decoded : tcfReading(decoded.string, catalogue, now);
}

function tcfReading(string: TcString, catalogue: Catalogue, now: number): ReadSignal {
  const faults = tcStringFaults(string, now);
  const statements = [...catalogue.purposes.values()].flatMap((purpose) =>
    purpose.mapping?.tcf === undefined ? [] : [statementOf(string, purpose, catalogue, faults.length === 0)],
  );
  return { kind: 'read', statements, faults, actedAt: string.lastUpdated };
}

/** Denied as soon as one of the TCF purposes it stands on is; an invalid string permits nothing (T-1). */
function statementOf(string: TcString, purpose: Purpose, catalogue: Catalogue, isValid: boolean): Statement {
  const missing = missingPart(string, purpose);
  if (missing !== undefined) return { purpose: purpose.id, says: 'denies', because: missing };
  const refuses = excludedVendors(string, purpose, catalogue);
  return {
    purpose: purpose.id,
    says: isValid ? 'allows' : 'nothing',
    because: isValid ? 'tcf-purposes' : 'tcf-invalid',
    ...(refuses.length === 0 ? {} : { refuses }),
  };
}

function missingPart(string: TcString, { legalBasis, mapping }: Purpose): string | undefined {
  const bits = legalBasis === 'consent' ? string.purposeConsents : string.purposeLegitimateInterests;
  const purpose = mapping?.tcf?.purposes.find((number) => !bits.has(number));
  if (purpose !== undefined) return `tcf-purpose-${purpose}`;
  const feature = mapping?.tcf?.specialFeatures?.find((number) => !string.specialFeatureOptIns.has(number));
  return feature === undefined ? undefined : `tcf-special-feature-${feature}`;
}

function excludedVendors(string: TcString, purpose: Purpose, { recipients }: Catalogue): RecipientId[] {
  return [...recipients.values()]
    .filter((recipient) => recipient.purposes.includes(purpose.id) && !mayProcess(string, purpose, recipient))
    .map(({ id }) => id)
    .sort();
}

/**
 * T-4 for one vendor: disclosed, its own bit, and no restriction that forbids. On which basis it acts is what our catalogue
 * says of the purpose. Recipients that are no TCF vendors are not the string's to decide about.
 */
function mayProcess(string: TcString, { legalBasis, mapping }: Purpose, { tcfVendor: vendor }: Recipient): boolean {
  if (vendor === undefined) return true;
  // Without the segment the string is invalid as a whole; that says nothing of this vendor.
  if (string.disclosedVendors?.has(vendor) === false) return false;
  const bits = legalBasis === 'consent' ? string.vendorConsents : string.vendorLegitimateInterests;
  const forbidden = legalBasis === 'consent' ? 'require-legitimate-interest' : 'require-consent';
  const restrictions = (mapping?.tcf?.purposes ?? []).map((purpose) => string.restriction(vendor, purpose));
  return bits.has(vendor) && !restrictions.some((type) => type === 'not-allowed' || type === forbidden);
}
