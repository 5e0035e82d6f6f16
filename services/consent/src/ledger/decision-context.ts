import type { Catalogue, ConsentVector } from '@entente/contracts';

/** What the decision needs to know of the person. */
export interface SubjectState {
  readonly version: number;
  readonly vector: ConsentVector;
}

/** How the request's Idempotency-Key stands: never seen, answered with this body, or used with another one. */
export type KeyStanding = 'fresh' | 'answered' | 'reused';

export interface DecisionContext {
  readonly catalogue: Catalogue;
  /** Database time of this transaction, ISO 8601: `since` of what changes, and "now" for validity. */
  readonly now: string;
}
