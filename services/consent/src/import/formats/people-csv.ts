import { peopleRow, wordsOf } from '@entente/contracts';
import type { PeopleColumns } from '@entente/contracts';
import { isSubjectId } from '../../http/shapes.ts';
import type { ReadRow, RowDecision } from '../import-row.ts';
import { shownPurpose } from './purpose-names.ts';
import type { PurposeNames } from './purpose-names.ts';
import { RowReading, badSubject, noSubject } from './read-values.ts';

/** A line of the CSV layout of docs/import.md. */
export function readPeopleLine(text: string, columns: PeopleColumns, names: PurposeNames): ReadRow {
  const read = peopleRow(text, columns);
  if ('fault' in read) return { reason: read.fault };
  const { subject_id: subjectId } = read;
  if (subjectId === '') return { reason: noSubject };
  if (!isSubjectId(subjectId)) return { reason: badSubject };
  const row = new RowReading();
  const words = (field: string): string[] => wordsOf(field).map((word) => names.of(word));
  const [denied, objected] = [words(read.denied), words(read.objected ?? '')];
  const refused = new Set([...denied, ...objected]);
  const granted = words(read.granted);
  const validUntil = row.instant(read.valid_until, '/validUntil');
  for (const purpose of new Set(granted.filter((one) => refused.has(one))))
    row.notes.push(`${shownPurpose(purpose)}: both granted and denied, so denied`);
  const decisions = [...new Set([...granted, ...refused])].map((purpose): RowDecision =>
    refused.has(purpose)
      ? { purpose, decision: objected.includes(purpose) ? 'objected' : 'denied' }
      : { purpose, decision: 'granted', ...(validUntil === undefined ? {} : { validUntil }) },
  );
  if (decisions.length === 0) return { reason: 'no decision: granted and denied are empty' };
  const notice = row.notice(read.notice, '/notice');
  return {
    ...{ subjectId, decisions, identifiers: row.identifiers(read.email, read.phone) },
    ...(notice === undefined ? {} : { notice }),
    evidence: row.evidence({ decidedAt: read.decided_at, locale: read.locale, channel: read.channel }),
    ...{ faults: row.faults, notes: row.notes },
  };
}
