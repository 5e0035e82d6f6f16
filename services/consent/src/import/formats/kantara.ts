import { isInstant, isSubjectId } from '../../http/shapes.ts';
import type { ReadRow, RowDecision } from '../import-row.ts';
import type { PurposeNames } from './purpose-names.ts';
import { RowReading, badSubject, isObject } from './read-values.ts';
import { restrictive } from './decisions-ndjson.ts';

/**
 * A Kantara consent receipt, version 1.1.0 (the ancestor of ISO/IEC TS 27560), as a row: it says that a person consented to
 * each of its purposes at `consentTimestamp`. A receipt names purposes in prose, so our names are looked for under the
 * purpose's text and then under its categories. Whom the data may reach is what the notice of the import says, not
 * `thirdPartyName`.
 */
export function readKantaraReceipt(value: Readonly<Record<string, unknown>>, names: PurposeNames): ReadRow {
  const { version, piiPrincipalId, services } = value;
  if (typeof version !== 'string' || !/^KI-CR-v1\.1(\.\d+)?$/.test(version))
    return { reason: '/version: must be KI-CR-v1.1.0, the version of a Kantara consent receipt' };
  if (!isSubjectId(piiPrincipalId)) return { reason: badSubject.replace('subjectId', 'piiPrincipalId') };
  if (!Array.isArray(services)) return { reason: '/services: must be a list of services' };
  const row = new RowReading();
  const told = (services as readonly unknown[]).flatMap((service, at) => purposesOf(service, `/services/${at}`, row));
  const decisions = told.flatMap(({ pointer, ...purpose }) => readPurpose(purpose, pointer, names, row));
  if (decisions.length === 0)
    return { reason: row.faults.length === 0 ? '/services: name no purpose' : row.faults.join('; ') };
  const { consentTimestamp, language, collectionMethod } = value;
  return {
    ...{ subjectId: piiPrincipalId, decisions: restrictive(decisions, row), identifiers: {} },
    evidence: row.evidence({
      decidedAt: secondsToInstant(consentTimestamp, row),
      ...(language === 'en' || language === 'fr' ? { locale: language } : {}),
      // A sentence of the receipt's, cut to what a channel may be.
      ...(typeof collectionMethod === 'string' ? { channel: collectionMethod.trim().slice(0, 128) } : {}),
    }),
    ...{ faults: row.faults, notes: row.notes },
  };
}

interface Purpose {
  readonly pointer: string;
  readonly told: unknown;
}

function purposesOf(service: unknown, pointer: string, row: RowReading): Purpose[] {
  const purposes: unknown = isObject(service) ? service['purposes'] : undefined;
  if (!Array.isArray(purposes)) {
    row.fault(`${pointer}/purposes`, 'must be a list of purposes');
    return [];
  }
  return (purposes as readonly unknown[]).map((told, at) => ({ told, pointer: `${pointer}/purposes/${at}` }));
}

function readPurpose(
  { told }: Omit<Purpose, 'pointer'>,
  pointer: string,
  names: PurposeNames,
  row: RowReading,
): RowDecision[] {
  const { purpose, purposeCategory, consentType, termination } = isObject(told) ? told : {};
  const categories: readonly unknown[] = Array.isArray(purposeCategory) ? purposeCategory : [purposeCategory];
  const name = names.find([purpose, ...categories]);
  if (name === undefined) row.fault(pointer, 'is not a known purpose; say which it is in `purposes`');
  // What nobody said aloud is no consent (GDPR 4(11)).
  else if (String(consentType).toUpperCase() !== 'EXPLICIT') row.fault(`${pointer}/consentType`, 'must be EXPLICIT');
  else {
    const validUntil = typeof termination === 'string' && isInstant(termination) ? new Date(termination) : undefined;
    return [
      {
        ...{ purpose: name, decision: 'granted' },
        ...(validUntil === undefined ? {} : { validUntil: validUntil.toISOString() }),
      },
    ];
  }
  return [];
}

/** Seconds since 1970 as the receipt has it; later than the year 2200 they must be milliseconds. */
function secondsToInstant(seconds: unknown, row: RowReading): string | undefined {
  if (Number.isSafeInteger(seconds) && Number(seconds) >= 0 && Number(seconds) < 7_258_118_400)
    return new Date(Number(seconds) * 1_000).toISOString();
  row.fault('/consentTimestamp', 'must be a time in seconds since 1970');
  return undefined;
}
