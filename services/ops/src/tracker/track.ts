import { contradictionReasons, settledOutcomes, type EnforcementRecorded, type Outcome } from '@entente/contracts';
import { risesToSlow } from './backlog-pace.ts';
import type { Blame, RecipientStatus, StatusReason } from '../read/views/words.ts';

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
  readonly blame: Blame;
}

/** Reasons by which a partner refuses our own credentials: it waits for whoever runs this system, whatever took how long. */
export const credentialReasons: readonly string[] = ['authentication', 'permission'];

/**
 * @param consumedMs t3 − t1, null when the connector has not reported it
 * @param parkedFor why it is parked, null when it is not
 */
export function judge(
  limitMs: number,
  settledMs: number | null,
  consumedMs: number | null,
  parkedFor: string | null,
): Judgement {
  if (settledMs !== null && settledMs <= limitMs) return { result: 'met', blame: 'none' };
  const late = consumedMs === null || consumedMs > limitMs * pipelineShare;
  const ours = late || (parkedFor !== null && credentialReasons.includes(parkedFor));
  return { result: 'missed', blame: ours ? 'pipeline' : 'partner' };
}

/** Whose fault it is that a withdrawal is still open: nobody's until the first limit has passed. */
export const blameSoFar = (ageMs: number, consumedMs: number | null, parkedFor: string | null): Blame =>
  ageMs <= deadlines[0].ms ? 'none' : judge(deadlines[0].ms, null, consumedMs, parkedFor).blame;

/** What a recipient's status is judged by. Ages in milliseconds; 0 where there is nothing of that kind. */
export interface StatusFacts {
  readonly unenforced: number;
  readonly parked: number;
  /** Some of it because the partner refuses our credentials. */
  readonly credentialsRefused: boolean;
  readonly oldestUnenforcedMs: number;
  /** Of those whose last attempt got no answer, or an error of the partner's own: what its circuit breaker counts. */
  readonly oldestFailingMs: number;
  /** Of those no connector has said anything about. */
  readonly oldestUnheardMs: number;
  /** Looks in a row at which the oldest had waited longer than before, though its connector takes work. */
  readonly rises: number;
  /** Since the newest beat of any of its gates; null when none is known alive. */
  readonly sinceBeatMs: number | null;
  /** A gate of it was heard once and has signed off or been forgotten. */
  readonly hasLeft: boolean;
  /** Since the partner last accepted anything; null when it never has. */
  readonly sinceAcceptedMs: number | null;
  /** This service itself reads its topics. */
  readonly trackerSees: boolean;
}

/** A gate whose beats have not been seen for this long may have no lease. */
const silentAfterMs = 3_000;
/** After this much silence, heard by a tracker that does read, the connector is not late: it is gone. */
const stoppedAfterMs = 15_000;
/** The first promise: 99 % accepted within 10 s (ops-and-ux.md, SLOs). */
const lateAfterMs = 10_000;
/** Work that a connector which beats has not even taken for so long: the known stall of a consumer. */
const stalledAfterMs = 120_000;

/**
 * One word per recipient, the worst that is true. SLOW is told early, by an oldest age that keeps rising, and never untold
 * while something is late: a backlog that shrinks is late still. What cannot be seen is BLIND and never OK: a connector that was never
 * heard of, whose beats are late, or a tracker that does not read.
 */
export function statusOf(facts: StatusFacts): { readonly status: RecipientStatus; readonly reason: StatusReason } {
  if (!facts.trackerSees) return { status: 'BLIND', reason: 'tracker-blind' };
  if (facts.sinceBeatMs === null)
    return facts.hasLeft ? { status: 'STOPPED', reason: 'connector-left' } : { status: 'BLIND', reason: 'never-heard' };
  if (facts.sinceBeatMs > stoppedAfterMs) return { status: 'STOPPED', reason: 'connector-silent' };
  if (facts.sinceBeatMs > silentAfterMs) return { status: 'BLIND', reason: 'connector-silent' };
  const answeredSince = facts.sinceAcceptedMs !== null && facts.sinceAcceptedMs < facts.oldestFailingMs;
  if (facts.oldestFailingMs > lateAfterMs && !answeredSince) return { status: 'PARTNER_DOWN', reason: 'partner-fails' };
  if (facts.oldestUnheardMs > stalledAfterMs) return { status: 'STALLED', reason: 'no-progress' };
  if (facts.parked > 0 && facts.credentialsRefused) return { status: 'SLOW', reason: 'credentials-refused' };
  if (facts.parked > 0) return { status: 'SLOW', reason: 'parked' };
  if (facts.rises >= risesToSlow) return { status: 'SLOW', reason: 'falling-behind' };
  if (facts.oldestUnenforcedMs > lateAfterMs) return { status: 'SLOW', reason: 'late' };
  return facts.unenforced > 0 ? { status: 'OK', reason: 'in-time' } : { status: 'QUIET', reason: 'nothing-pending' };
}

/**
 * "Every withdrawal is enforced everywhere" is said only when it is known: nothing open at any recipient, no recipient
 * that cannot be seen, and no record in the logs that could not be read.
 */
export const allEnforced = (
  recipients: readonly { readonly unenforced: number; readonly status: RecipientStatus }[],
  unreadableRecords: number,
): boolean =>
  recipients.length > 0 &&
  unreadableRecords === 0 &&
  recipients.every(({ unenforced, status }) => unenforced === 0 && status !== 'BLIND');
