import type { ConsentVector, PurposeId, PurposeState } from '@entente/contracts';

/** A purpose may be called like a member of every object (`constructor`), so only own members count. */
export const stateOf = (vector: ConsentVector, purpose: PurposeId): PurposeState | undefined =>
  Object.hasOwn(vector, purpose) ? vector[purpose] : undefined;

export const withState = (vector: ConsentVector, purpose: PurposeId, state: PurposeState): ConsentVector => ({
  ...vector,
  [purpose]: state,
});
