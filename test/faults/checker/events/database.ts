import type { At, OfSubject, Vector } from './shapes.ts';

/** A change that committed at `at` ± `errorMs` (ledger row with its commit timestamp). */
export interface DbChange extends At<'db.change'>, OfSubject {
  readonly version: number;
  readonly errorMs?: number;
  readonly direction: 'deny' | 'grant';
  readonly before?: Vector;
  readonly after: Vector;
  readonly catalogue?: number;
  /** TRK-1: recipients the event names. */
  readonly recipients: readonly string[];
  /** Committed once, but neither on the timeline that survived (F4) nor merged back by a restore (RST-4). */
  readonly lost?: true;
  /** RST-4: the lost version that this one makes good for. */
  readonly restored?: number;
}

/** Catalogue number `number` committed: what is closed from then on, whatever a vector says. */
export interface DbCatalogue extends At<'db.catalogue'> {
  readonly number: number;
  readonly controller: string;
  /** Absent recipient or purpose = every one. */
  readonly closed: readonly { readonly recipient?: string; readonly purpose?: string }[];
}

/** State row in the final dump. */
export interface DbState extends At<'db.state'>, OfSubject {
  readonly version: number;
  readonly vector: Vector;
}

/** Ledger entry in the final dump. */
export interface DbLedger extends At<'db.ledger'>, OfSubject {
  readonly version: number;
  /** REC-5: its number in the chain; null = it has none; absent = nobody looked. */
  readonly number?: number | null;
  /** Whether the hash at that number follows from the entries up to here. */
  readonly sound?: boolean;
}

/** A row still in the outbox in the final dump. */
export interface DbOutbox extends At<'db.outbox'>, OfSubject {
  readonly version: number;
  readonly lane: 'urgent' | 'normal';
}
