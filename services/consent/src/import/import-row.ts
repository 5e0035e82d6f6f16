import type { NoticeRef } from '@entente/contracts';
import type { Evidence } from '../ledger/evidence.ts';
import type { GivenIdentifiers } from '../ledger/command.ts';

/** What a row says about one purpose. */
export interface RowDecision {
  readonly purpose: string;
  readonly decision: 'granted' | 'denied' | 'withdrawn' | 'objected';
  /** ISO 8601 in UTC. */
  readonly validUntil?: string;
  readonly refusedRecipients?: readonly string[];
  /** The notice of this decision, where it is not the row's. */
  readonly notice?: NoticeRef;
}

/** One person of a file, whatever the file's format. */
export interface ImportRow {
  readonly subjectId: string;
  readonly decisions: readonly RowDecision[];
  /** Normalised. */
  readonly identifiers: GivenIdentifiers;
  readonly notice?: NoticeRef;
  readonly evidence: Pick<Evidence, 'clientTime' | 'locale' | 'channel' | 'personal'>;
  /** What is wrong with the row. It stops what the row grants and tells; what it denies is recorded all the same (REC-3). */
  readonly faults: readonly string[];
  /** What was understood otherwise than it stands there, without stopping anything. */
  readonly notes: readonly string[];
}

/** A line of a file: a row, or why it is none, or nothing to be taken in at all. */
export type ReadRow = ImportRow | { readonly reason: string } | 'nothing';

export const isRow = (read: ReadRow): read is ImportRow => typeof read === 'object' && 'subjectId' in read;
