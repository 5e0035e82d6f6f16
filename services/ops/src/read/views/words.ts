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
  | 'falling-behind'
  | 'late'
  | 'parked'
  | 'credentials-refused'
  | 'no-progress'
  | 'partner-fails'
  | 'connector-left'
  | 'connector-silent'
  | 'never-heard'
  | 'tracker-blind';

export type Blame = 'pipeline' | 'partner' | 'none';

/** In both languages, for pages that speak either. */
export interface PlainText {
  readonly en: string;
  readonly fr: string;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** One page of a list; `next` asks for the one after it, null at the end. */
export interface ListPage<T> {
  readonly at: string;
  readonly items: readonly T[];
  readonly next: string | null;
}
