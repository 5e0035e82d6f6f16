import { isSubjectId } from '../../http/shapes.ts';
import type { ReadRow, RowDecision } from '../import-row.ts';
import { restrictive } from './decisions-ndjson.ts';
import type { PurposeNames } from './purpose-names.ts';
import { RowReading, badSubject, isObject } from './read-values.ts';

/** Unomi's own three; its manual's "GRANT" and "DENY" are not values of the API. REVOKED ends a consent given before. */
const decisionOf = { GRANTED: 'granted', DENIED: 'denied', REVOKED: 'withdrawn' } as const;

/**
 * An Apache Unomi (jCustomer) profile as `GET /cxs/profiles/{id}` and the profile export give it, or the answer of
 * `/cxs/context.json`, with its `consents` by "scope/type". The type is the purpose.
 */
export function readUnomiProfile(value: Readonly<Record<string, unknown>>, names: PurposeNames): ReadRow {
  const { consents, properties } = value;
  const profile = value['profileId'] ?? value['itemId'];
  if (!isSubjectId(profile)) return { reason: badSubject.replace('subjectId', 'profileId') };
  if (!isObject(consents)) return { reason: '/consents: must be an object' };
  const told = Object.values(consents);
  if (told.length === 0) return 'nothing';
  const row = new RowReading();
  const read = told.flatMap((consent, at) => readConsent(consent, `/consents/${at}`, names, row));
  if (read.length === 0) return { reason: row.faults.join('; ') };
  // Validity is counted from the earliest of the grants, which promises no more than each of them does.
  const [decidedAt] = read
    .flatMap(({ at, decision }) => (decision === 'granted' && at !== undefined ? [at] : []))
    .sort();
  const { email, phoneNumber } = isObject(properties) ? properties : {};
  return {
    subjectId: profile,
    decisions: restrictive(
      read.map(({ at: _at, ...decision }) => decision),
      row,
    ),
    identifiers: row.identifiers(email, phoneNumber),
    evidence: row.evidence({ decidedAt }),
    ...{ faults: row.faults, notes: row.notes },
  };
}

function readConsent(
  consent: unknown,
  pointer: string,
  names: PurposeNames,
  row: RowReading,
): (RowDecision & { readonly at?: string })[] {
  const { typeIdentifier, status, statusDate, revokeDate } = isObject(consent) ? consent : {};
  const name = names.find([typeIdentifier]) ?? (typeof typeIdentifier === 'string' ? typeIdentifier : undefined);
  const decision = Object.hasOwn(decisionOf, String(status))
    ? decisionOf[status as keyof typeof decisionOf]
    : undefined;
  if (name === undefined || name === '') row.fault(`${pointer}/typeIdentifier`, 'must be the type of the consent');
  else if (decision === undefined) row.fault(`${pointer}/status`, 'must be GRANTED, DENIED or REVOKED');
  else if (decision !== 'granted') return [{ purpose: name, decision }];
  else {
    const [at, validUntil] = [
      row.instant(statusDate, `${pointer}/statusDate`),
      row.instant(revokeDate, `${pointer}/revokeDate`),
    ];
    return [
      {
        ...{ purpose: name, decision },
        ...(validUntil === undefined ? {} : { validUntil }),
        ...(at === undefined ? {} : { at }),
      },
    ];
  }
  return [];
}
