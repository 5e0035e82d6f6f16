import type { NoticeRef, PurposeId, RecipientId } from './ids.ts';

/** What a person said, or what happened to it since. Everything but `granted` denies. */
export const decisions = ['granted', 'denied', 'withdrawn', 'objected', 'expired', 'erased'] as const;
export type Decision = (typeof decisions)[number];

/** One purpose's state. Times are ISO 8601 in UTC. */
export interface PurposeState {
  readonly decision: Decision;
  /** The notice the person had before them; only what it names may receive anything. */
  readonly notice?: NoticeRef;
  /** When this state began (database time of the commit that wrote it). */
  readonly since: string;
  /** A grant ends by itself at this instant, with no event needed. */
  readonly validUntil?: string;
  /** Recipients this person excluded although the purpose is granted. */
  readonly refused?: readonly RecipientId[];
  /** The grant was given under another key of the same person, and ends when the link does (REC-7). */
  readonly lent?: true;
}

/** The whole of a subject's consent: absent purpose = never asked = denied. */
export type ConsentVector = Readonly<Record<PurposeId, PurposeState>>;

export const emptyVector: ConsentVector = {};

const instant = (iso: string | undefined): number => (iso === undefined ? Infinity : Date.parse(iso));

/** Whether `after` allows less than `before` for this one purpose: fewer recipients, a shorter time, or no grant. */
function reducesPurpose(before: PurposeState | undefined, after: PurposeState | undefined): boolean {
  if (before?.decision !== 'granted') return false;
  if (after?.decision !== 'granted') return true;
  if (instant(after.validUntil) < instant(before.validUntil)) return true;
  if (after.notice !== before.notice) return true;
  return (after.refused ?? []).some((recipient) => !(before.refused ?? []).includes(recipient));
}

/**
 * Deny-direction (design.md §1): any change after which something is allowed less than before, whatever else it
 * grants. A refusal that newly states a deny where nothing was granted counts too: it must fence older grants.
 * A changed notice may name fewer recipients, so it is treated as reducing.
 */
export function isDenyDirection(before: ConsentVector, after: ConsentVector): boolean {
  const purposes = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<PurposeId>;
  for (const purpose of purposes) {
    if (reducesPurpose(before[purpose], after[purpose])) return true;
    const now = after[purpose];
    if (now && now.decision !== 'granted' && before[purpose]?.decision !== now.decision) return true;
  }
  return false;
}
