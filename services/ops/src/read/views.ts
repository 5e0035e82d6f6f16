/**
 * What the API answers the console, the CLI and exports: values only, so that server and browser share one description.
 * Times are ISO 8601, durations say their unit in their name; a page never computes a state of its own.
 */

/** One word per recipient on every page, API and CLI (ops-and-ux.md §3). */
export type RecipientStatus = 'OK' | 'QUIET' | 'SLOW' | 'STALLED' | 'STOPPED' | 'PARTNER_DOWN' | 'BLIND';

/** Why a recipient has its status, as a word that a page turns into a sentence. */
export type StatusReason =
  | 'nothing-pending'
  | 'in-time'
  | 'late'
  | 'parked'
  | 'no-progress'
  | 'partner-fails'
  | 'connector-left'
  | 'connector-silent'
  | 'never-heard'
  | 'tracker-blind';

export type Blame = 'pipeline' | 'partner' | 'none';

export interface RecipientSummary {
  readonly recipient: string;
  readonly name: string;
  readonly kind: string;
  readonly status: RecipientStatus;
  readonly reason: StatusReason;
  /** Counts stop at `countedUpTo`: more is shown as “at least”. */
  readonly unenforced: number;
  readonly waiting: number;
  readonly retrying: number;
  readonly parked: number;
  readonly countedUpTo: number;
  readonly oldestUnenforcedS: number;
  readonly oldestParkedS: number;
  /** Seconds since the newest beat of any gate that guards it; null when none is alive. */
  readonly gateSilentS: number | null;
  readonly leaks: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface ConnectorLine extends RecipientSummary {
  /** From the commit, over the newest withdrawals (`sampled`); null when there is none. */
  readonly gateClosedMs: Percentiles | null;
  readonly acceptedMs: Percentiles | null;
  /** Deadlines of 60 s judged in the last 24 hours. */
  readonly judged24h: { readonly met: number; readonly missedByUs: number; readonly missedByPartner: number };
}

/** A withdrawal in a list: whom it concerns stays masked. */
export interface WithdrawalLine {
  readonly changeId: string;
  readonly subject: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: number;
  readonly gatesClosed: number;
  readonly settled: number;
  /** Worst of its recipients, null while one is open. */
  readonly slowestMs: number | null;
}

export interface Overview {
  readonly at: string;
  readonly allEnforced: boolean;
  /** Records of the logs that nobody could read: one of them may be a withdrawal. */
  readonly unreadableRecords: number;
  readonly deadlineS: number;
  readonly connectors: readonly ConnectorLine[];
  readonly latest: readonly WithdrawalLine[];
}

export interface SessionView {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly controller: string;
  readonly endsAt: string;
}
