import type { At } from './shapes.ts';

/** A process began to run; a gate has a start id. */
export interface ProcessStarted extends At<'process.started'> {
  readonly process: string;
  readonly start?: string;
}
export interface ProcessEnded extends At<'process.ended'> {
  readonly process: string;
  readonly how: 'kill' | 'crash' | 'term';
}

/** One fault, while it was truly in force: from `at` to `to` (absent = to the end of the history). */
export interface Nemesis extends At<'nemesis'> {
  readonly to?: number;
  /** F1 … F20 of reliability-plan §5. */
  readonly fault: string;
  /** `stop` = SIGSTOP or a long pause of `target`; the others are for the reader and for ISOLATION. */
  readonly what: 'stop' | 'kill' | 'cut' | 'slow' | 'partner' | 'clock' | 'disk' | 'duplicate' | 'poison' | 'other';
  /** A process, `kafka`, `postgres`, `relay`, or a recipient as `recipient:<id>`. */
  readonly target: string;
  /** For the reader: what exactly was done, and how often it struck something. */
  readonly how?: string;
  readonly hits?: number;
  /** It was in force for certain between these, where it may have begun a little later than `at` or ended before `to`. */
  readonly sureFrom?: number;
  readonly sureTo?: number;
  /** Processes that can receive no freshness proof while it is certainly in force. */
  readonly cutsProof?: readonly string[] | 'all';
}

/** `quiesced`: the run healed and everything had its time; the final dumps follow. */
export interface Mark extends At<'mark'> {
  readonly what: 'quiesced' | 'end';
}
