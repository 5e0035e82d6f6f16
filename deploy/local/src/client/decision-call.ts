import type { GrantToRecord } from './entente-client.ts';
import type { PersonRow } from './people-file.ts';

/** A row as the call it becomes. */
export interface AskedRow {
  readonly call: GrantToRecord;
  /** Purposes that the row both grants and denies; the call denies them. */
  readonly contradicted: readonly string[];
}

const words = (text: string): string[] => text.split(/[\s;|]+/).filter(Boolean);

/** A row as a decision call, or the reason it cannot be one. What the service checks is left to the service. */
export function toDecisionCall(
  row: PersonRow,
  notice: { readonly id: string; readonly version: number },
): AskedRow | { readonly reason: string } {
  const subjectId = row.subject_id.trim();
  if (subjectId === '') return { reason: 'subject_id is empty' };
  const denied = words(row.denied);
  // Between a yes and a no about the same thing the no counts.
  const contradicted = words(row.granted).filter((purpose) => denied.includes(purpose));
  const granted = words(row.granted).filter((purpose) => !denied.includes(purpose));
  if (granted.length + denied.length === 0) return { reason: 'no decision: granted and denied are empty' };
  const email = row.email.trim();
  const phone = row.phone.trim();
  const call = {
    subjectId,
    notice,
    decisions: [
      ...granted.map((purpose) => ({ purpose, decision: 'granted' as const })),
      ...denied.map((purpose) => ({ purpose, decision: 'denied' as const })),
    ],
    ...(email || phone ? { identifiers: { ...(email ? { email } : {}), ...(phone ? { phone } : {}) } } : {}),
  };
  return { call, contradicted };
}

/** What a refused row denies, and nothing else of it; null when it denies nothing, or nothing besides. */
export function denialsAlone({ subjectId, decisions, identifiers }: GrantToRecord): GrantToRecord | null {
  const denials = decisions.filter(({ decision }) => decision === 'denied');
  const isMore = denials.length < decisions.length || identifiers !== undefined;
  return denials.length > 0 && isMore ? { subjectId, decisions: denials } : null;
}
