import { contradictionReasons, settledOutcomes, type EnforcementRecorded, type Outcome } from '@entente/contracts';

/** What an operator reads of one recipient of one change. */
type RecipientState = 'waiting' | 'retrying' | 'parked' | Outcome;

export interface Settlement {
  readonly state: RecipientState;
  /** Nothing more is expected of this recipient for this change. */
  readonly settled: boolean;
  readonly acceptedAt: string | null;
  readonly confirmedAt: string | null;
  /** The partner was found not to keep what it had accepted: nothing said of this change before counts any more. */
  readonly contradictedAt?: string;
}

/** What is known of one change at one recipient before an outcome arrives. Times are ISO 8601. */
export interface Standing {
  readonly version: number;
  readonly settledAt?: string | null;
  readonly acceptedAt?: string | null;
  readonly confirmedAt?: string | null;
  readonly contradictedAt?: string | null;
}

/** An outcome; `acceptedAt` where the acceptance before a confirmation came before the change itself. */
export type Said = Pick<EnforcementRecorded, 'version' | 'direction' | 'outcome' | 'at' | 'reason'> & {
  readonly acceptedAt?: string;
};

/**
 * TRK-1: an outcome at version v settles every change up to v at that recipient; those below v were never sent on their
 * own, so they are `superseded`. A waiting or parked outcome at v says so for v alone and settles nothing. What a partner
 * accepted of a grant (a reinstatement) says nothing of a withdrawal. What is settled is touched again only by a confirmation,
 * which keeps the time of the acceptance, and by a contradiction, which takes it back (ADR 12). Returns null when the outcome
 * says nothing about this change, or nothing new.
 */
export function settle(change: Standing, outcome: Said): Settlement | null {
  if (outcome.direction === 'grant') return null;
  if (change.version > outcome.version || isBefore(outcome.at, change.contradictedAt)) return null;
  const own = change.version === outcome.version;
  if (typeof change.settledAt === 'string') return own ? afterwards(change, change.settledAt, outcome) : null;
  if (!settledOutcomes.has(outcome.outcome)) {
    if (!own) return null;
    return {
      state: outcome.outcome === 'parked' ? 'parked' : 'retrying',
      settled: false,
      acceptedAt: null,
      confirmedAt: null,
    };
  }
  if (!own) return { state: 'superseded', settled: true, acceptedAt: null, confirmedAt: null };
  const accepted =
    outcome.outcome === 'accepted' || outcome.outcome === 'confirmed' ? (outcome.acceptedAt ?? outcome.at) : null;
  return {
    state: outcome.outcome,
    settled: true,
    acceptedAt: accepted,
    confirmedAt: outcome.outcome === 'confirmed' ? outcome.at : null,
  };
}

/** Said at that time or before it: a copy of something that has been overtaken. */
const isBefore = (at: string, limit: string | null | undefined): boolean =>
  typeof limit === 'string' && Date.parse(at) <= Date.parse(limit);

function afterwards(change: Standing, settledAt: string, outcome: Said): Settlement | null {
  const { acceptedAt = null, confirmedAt = null } = change;
  const { at } = outcome;
  if (outcome.outcome === 'confirmed')
    return confirmedAt === null
      ? { state: 'confirmed', settled: true, acceptedAt: acceptedAt ?? at, confirmedAt: at }
      : null;
  const takesBack =
    contradictionReasons.some((reason) => reason === outcome.reason) && !settledOutcomes.has(outcome.outcome);
  if (!takesBack || isBefore(at, confirmedAt ?? settledAt)) return null;
  const state = outcome.outcome === 'parked' ? 'parked' : 'retrying';
  return { state, settled: false, acceptedAt: null, confirmedAt: null, contradictedAt: at };
}

/** The three limits each (withdrawal, recipient) is judged at exactly once, in order (ops-and-ux.md §3). */
export const deadlines = [
  { within: '10s', ms: 10_000 },
  { within: '60s', ms: 60_000 },
  { within: '15m', ms: 900_000 },
] as const;

/** Share of a limit after which a late arrival at the connector is the pipeline's fault, not the partner's. */
const pipelineShare = 0.2;

export interface Judgement {
  readonly result: 'met' | 'missed';
  readonly blame: 'pipeline' | 'partner' | 'none';
}

/** @param consumedMs t3 − t1, null when the connector has not reported it */
export function judge(limitMs: number, settledMs: number | null, consumedMs: number | null): Judgement {
  if (settledMs !== null && settledMs <= limitMs) return { result: 'met', blame: 'none' };
  const late = consumedMs === null || consumedMs > limitMs * pipelineShare;
  return { result: 'missed', blame: late ? 'pipeline' : 'partner' };
}

/** One word per recipient on every page, API and CLI; a gate that has not been heard of is never OK. */
export type RecipientStatus = 'OK' | 'QUIET' | 'SLOW' | 'BLIND';

export function statusOf(facts: {
  readonly unenforced: number;
  readonly oldestUnenforcedMs: number;
  readonly parked: number;
  readonly sinceBeatMs: number | null;
  readonly staleAfterMs: number;
}): RecipientStatus {
  if (facts.sinceBeatMs === null || facts.sinceBeatMs > facts.staleAfterMs) return 'BLIND';
  if (facts.parked > 0 || facts.oldestUnenforcedMs > 10_000) return 'SLOW';
  return facts.unenforced > 0 ? 'OK' : 'QUIET';
}
