import type { ConsentVector, PurposeId } from '@entente/contracts';
import { ended } from '../identity/vector-merge.ts';
import { stateOf, withState } from '../ledger/vector-access.ts';

/** Every grant whose end has come, as ended. The same vector when there is none. */
export function expiredVector(vector: ConsentVector, now: string): ConsentVector {
  return (Object.keys(vector) as PurposeId[]).sort().reduce((held, purpose) => {
    const state = stateOf(held, purpose);
    const isOver =
      state?.decision === 'granted' &&
      state.validUntil !== undefined &&
      // What no clock can read ends too: the gate denies it as well.
      !(Date.parse(now) < Date.parse(state.validUntil));
    return isOver ? withState(held, purpose, ended(state, now)) : held;
  }, vector);
}

/** When the next of a person's grants ends, ISO 8601; null when none does. */
export function nextExpiry(vector: ConsentVector): string | null {
  const ends = Object.values(vector).flatMap(({ decision, validUntil }) =>
    decision === 'granted' && validUntil !== undefined ? [validUntil] : [],
  );
  return ends.reduce<string | null>(
    (next, end) => (next === null || Date.parse(end) < Date.parse(next) ? end : next),
    null,
  );
}
