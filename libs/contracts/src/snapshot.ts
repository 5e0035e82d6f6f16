import type { CatalogueDocument } from './catalogue.ts';
import type { LedgerHead } from './events/types.ts';
import type { SubjectKey } from './ids.ts';
import type { ConsentVector } from './vector.ts';

/**
 * The gate snapshot (GATE-1): `GET /v1/gate/snapshot`, NDJSON, one object a line in this order: `catalogue`, any
 * number of `subject`, `end`. Without the `end` line the snapshot is incomplete and worth nothing.
 */
export type SnapshotLine =
  | { readonly kind: 'catalogue'; readonly incarnation: number; readonly catalogue: CatalogueDocument }
  | {
      readonly kind: 'subject';
      readonly subjectKey: SubjectKey;
      readonly version: number;
      readonly vector: ConsentVector;
      /** The person was erased and has not come back since (REC-8). */
      readonly erased?: true;
    }
  | { readonly kind: 'end'; readonly subjects: number; readonly ledger: LedgerHead };
