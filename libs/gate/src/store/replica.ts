import type { CatalogueDocument, ConsentVector, ControllerId, LedgerHead, SubjectKey } from '@entente/contracts';
import type { Held } from '../step/decision.ts';

/** What is remembered of a partition of the express lane across restarts. Never a lease. */
export interface StoredPartition {
  readonly logEpoch: number | null;
  readonly newest: { readonly incarnation: number; readonly number: number } | null;
  readonly ledger: LedgerHead | null;
  readonly closed: boolean;
}

export interface SubjectWrite {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly vector: ConsentVector;
}

/** An undecodable record, kept for the operator. */
export interface Quarantined {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly why: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** One local transaction: state and the offsets it came from, together (GATE-1). */
export interface Batch {
  readonly subjects?: readonly SubjectWrite[];
  readonly closeKeys?: ReadonlyMap<SubjectKey, string>;
  readonly quarantine?: readonly Quarantined[];
  /** Next offsets by `topic:partition`. */
  readonly positions?: ReadonlyMap<string, bigint>;
  readonly partitions?: ReadonlyMap<number, StoredPartition>;
  readonly catalogue?: CatalogueDocument;
  /** Written last by a seed: only then is the replica whole. */
  readonly seeded?: { readonly incarnation: number };
}

/** What a start finds. */
export interface Resumed {
  readonly seeded: boolean;
  readonly incarnation: number;
  readonly positions: ReadonlyMap<string, bigint>;
  readonly partitions: ReadonlyMap<number, StoredPartition>;
  readonly catalogue: CatalogueDocument | null;
}

/** The local store of one controller's consent state. */
export interface Replica {
  readonly controller: ControllerId;
  /** As the last commit left it. Throws when the store is lost. */
  get(subjectKey: SubjectKey): Held | undefined;
  /** All or nothing, visible when it returns. A subject is written only over a lower version: the fence. Throws when the store is lost. */
  commit(batch: Batch): void;
  /** Everything but the fences of the partitions goes; not seeded from here on. */
  empty(): void;
  resumed(): Resumed;
  counts(): { readonly subjects: number; readonly closedKeys: number; readonly quarantined: number };
  close(): Promise<void>;
}
