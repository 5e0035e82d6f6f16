import { idPattern } from '@entente/contracts';
import { isSubjectId } from '../../http/shapes.ts';
import type { ReadRow, RowDecision } from '../import-row.ts';
import { shownPurpose } from './purpose-names.ts';
import type { PurposeNames } from './purpose-names.ts';
import { RowReading, badSubject, isObject } from './read-values.ts';

const decided = ['granted', 'denied', 'withdrawn', 'objected'] as const;
/** What our export says and nobody decided: a grant that is no more, and one lent by another id of the person. */
const ended: readonly unknown[] = ['expired', 'erased'];
const isUndecided = (told: unknown): boolean =>
  isObject(told) && (ended.includes(told['decision']) || told['lent'] === true);
/** As for `POST /v1/consents`: names longer than this cannot be purposes. */
const longestName = 128;
const mostDecisions = 200;
const isName = new RegExp(idPattern.name, 'u');

/** One person a line: the body of `POST /v1/consents`, or a line of `GET /v1/exports/consents`. */
export function readDecisions(value: Readonly<Record<string, unknown>>, names: PurposeNames): ReadRow {
  const { subjectId, decisions, identifiers, evidence } = value;
  if (!Array.isArray(decisions)) return { reason: '/decisions: must be a list of decisions' };
  const told: readonly unknown[] = decisions;
  if (told.length > 0 && told.every(isUndecided)) return 'nothing';
  // A person who has been erased is in an export by their key alone.
  if (told.length === 0) return 'erasedAt' in value ? 'nothing' : { reason: '/decisions: must not be empty' };
  if (!isSubjectId(subjectId)) return { reason: badSubject };
  const row = new RowReading();
  if (told.length > mostDecisions) row.fault('/decisions', `must be at most ${mostDecisions}`);
  const read = told
    .flatMap((one, index) => readDecision(one, index, row))
    .map((one) => ({ ...one, purpose: names.of(one.purpose) }));
  const notice = row.notice(value['notice'], '/notice');
  if (identifiers !== undefined && !isObject(identifiers)) row.fault('/identifiers', 'must be an object');
  const { email, phone } = isObject(identifiers) ? identifiers : {};
  if (evidence !== undefined && !isObject(evidence)) row.fault('/evidence', 'must be an object');
  const { clientTime, locale, channel, conditionOf } = isObject(evidence) ? evidence : {};
  if (conditionOf !== undefined) row.fault('/evidence/conditionOf', 'a grant made a condition is not freely given');
  if (read.length === 0) return { reason: row.faults.join('; ') };
  return {
    ...{ subjectId, decisions: restrictive(read, row), identifiers: row.identifiers(email, phone) },
    ...(notice === undefined ? {} : { notice }),
    evidence: row.evidence({ decidedAt: value['decidedAt'] ?? clientTime, locale, channel }),
    ...{ faults: row.faults, notes: row.notes },
  };
}

function readDecision(value: unknown, index: number, row: RowReading): RowDecision[] {
  const at = `/decisions/${index}`;
  const { purpose, decision, refusedRecipients = [] } = isObject(value) ? value : {};
  if (isUndecided(value)) return [];
  const known = decided.find((one) => one === decision);
  if (typeof purpose !== 'string' || purpose === '' || purpose.length > longestName)
    row.fault(`${at}/purpose`, `must be 1 to ${longestName} characters`);
  else if (known === undefined) row.fault(`${at}/decision`, `must be one of ${decided.join(', ')}`);
  else if (!isObject(value) || known !== 'granted') return [{ purpose, decision: known }];
  else {
    const validUntil = row.instant(value['validUntil'], `${at}/validUntil`);
    const notice = row.notice(value['notice'], `${at}/notice`);
    const names: readonly unknown[] = Array.isArray(refusedRecipients) ? refusedRecipients : [refusedRecipients];
    const refused = names.filter((name): name is string => typeof name === 'string' && isName.test(name));
    if (refused.length < names.length || names.length > 100)
      row.fault(`${at}/refusedRecipients`, 'must be at most 100 names of recipients');
    return [
      {
        ...{ purpose, decision: known },
        ...(validUntil === undefined ? {} : { validUntil }),
        ...(notice === undefined ? {} : { notice }),
        ...(refused.length === 0 ? {} : { refusedRecipients: refused }),
      },
    ];
  }
  return [];
}

/** Of two decisions about one purpose the refusal counts. */
export function restrictive(decisions: readonly RowDecision[], row: RowReading): RowDecision[] {
  const refused = new Set(decisions.filter(({ decision }) => decision !== 'granted').map(({ purpose }) => purpose));
  const byPurpose = new Map<string, RowDecision>();
  for (const one of decisions) {
    if (one.decision === 'granted' && refused.has(one.purpose)) {
      row.notes.push(`${shownPurpose(one.purpose)}: both granted and denied, so denied`);
      continue;
    }
    if (byPurpose.has(one.purpose) && one.decision === 'granted')
      row.fault('/decisions', 'has a purpose granted twice');
    byPurpose.set(one.purpose, one);
  }
  return [...byPurpose.values()];
}
