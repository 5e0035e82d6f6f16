import type { Catalogue, ConsentVector } from '@entente/contracts';

/** What the decision needs to know of the person. */
export interface SubjectState {
  readonly version: number;
  readonly vector: ConsentVector;
  /** When the person was erased last. What they have not decided about since stands erased (REC-8). */
  readonly erasedAt?: string | null;
  /** Pseudonyms told with the request that an erased person left behind. */
  readonly suppressed?: boolean;
}

/** How the request's Idempotency-Key stands: never seen, answered with this body, or used with another one. */
export type KeyStanding = 'fresh' | 'answered' | 'reused';

export interface DecisionContext {
  readonly catalogue: Catalogue;
  /** Database time of this transaction, ISO 8601: `since` of what changes, and "now" for validity. */
  readonly now: string;
}
