import {
  decisions,
  type ConsentVector,
  type NoticeRef,
  type PermittingVector,
  type PurposeId,
  type PurposeState,
  type RecipientId,
} from '@entente/contracts';
import type { NameTable } from './name-table.ts';

/** An instant in milliseconds; a text that no clock can read is kept as it is, so that it goes on denying. */
type StoredInstant = number | string;

/** purpose, decision, notice (−1 none), since, then valid-until (null none) and refused recipients where there are any. */
type StoredPurpose = [number, number, number, StoredInstant, (StoredInstant | null)?, number[]?];

/** version, then one entry per purpose. About 12 bytes a purpose: ten million subjects fit in 2 GB (design.md §9). */
export type SubjectRow = [number, ...StoredPurpose[]];

const instant = (iso: string): StoredInstant => {
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? iso : ms;
};
const iso = (stored: StoredInstant): string => (typeof stored === 'string' ? stored : new Date(stored).toISOString());

export function toRow(version: number, vector: ConsentVector, names: NameTable): SubjectRow {
  const row: SubjectRow = [version];
  for (const [purpose, state] of Object.entries(vector) as [PurposeId, PurposeState][]) {
    const decision = decisions.indexOf(state.decision);
    if (decision < 0) throw new Error('a vector with an unknown decision');
    const stored: StoredPurpose = [
      names.numberOf(purpose),
      decision,
      state.notice === undefined ? -1 : names.numberOf(state.notice),
      instant(state.since),
    ];
    if (state.validUntil !== undefined || state.refused !== undefined)
      stored.push(state.validUntil === undefined ? null : instant(state.validUntil));
    if (state.refused !== undefined) stored.push(state.refused.map((recipient) => names.numberOf(recipient)));
    row.push(stored);
  }
  return row;
}

/** What a decision rests on: all but since when, and whether it was lent. */
export function permittingVectorOf(row: SubjectRow, names: NameTable): PermittingVector {
  const vector: Record<PurposeId, Omit<PurposeState, 'since' | 'lent'>> = {};
  for (let index = 1; index < row.length; index += 1) {
    const [purpose, decision, notice, , validUntil, refused] = row[index] as StoredPurpose;
    const known = decisions[decision];
    if (known === undefined) throw new Error(`the replica holds an unknown decision ${decision}`);
    vector[names.nameOf(purpose) as PurposeId] = {
      decision: known,
      ...(notice >= 0 ? { notice: names.nameOf(notice) as NoticeRef } : {}),
      ...(validUntil !== undefined && validUntil !== null ? { validUntil: iso(validUntil) } : {}),
      ...(refused !== undefined ? { refused: refused.map((number) => names.nameOf(number) as RecipientId) } : {}),
    };
  }
  return vector;
}

export function vectorOf(row: SubjectRow, names: NameTable): ConsentVector {
  const permitting = permittingVectorOf(row, names);
  const vector: Record<PurposeId, PurposeState> = {};
  for (let index = 1; index < row.length; index += 1) {
    const [purpose, , , since] = row[index] as StoredPurpose;
    const name = names.nameOf(purpose) as PurposeId;
    const state = permitting[name];
    if (state !== undefined) vector[name] = { ...state, since: iso(since) };
  }
  return vector;
}
