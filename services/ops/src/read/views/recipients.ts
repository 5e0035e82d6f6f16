import type { Percentiles, PlainText, RecipientStatus, StatusReason } from './words.ts';

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
  /** What the partner's documentation says about its own processing time; null until its connector has told it. */
  readonly documentedDelay: PlainText | null;
}

export interface ConnectorLine extends RecipientSummary {
  /** From the commit, over the newest withdrawals (`sampled`); null when there is none. */
  readonly gateClosedMs: Percentiles | null;
  readonly acceptedMs: Percentiles | null;
  /** Deadlines of 60 s judged in the last 24 hours. */
  readonly judged24h: { readonly met: number; readonly missedByUs: number; readonly missedByPartner: number };
}
