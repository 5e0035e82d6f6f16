import type { Catalogue, ConsentVector } from '@entente/contracts';
import { ended, mergedState, purposesOf } from '../identity/vector-merge.ts';
import type { SubjectState } from '../ledger/decision-context.ts';
import { standingState, stateOf, withState } from '../ledger/vector-access.ts';

/**
 * RST-4: the more restrictive of what the database says and what the logs last said. A refusal on either side stands; of two
 * grants what both allow is left. A grant that only the logs know has lost its evidence with the database, so it is over and
 * the person is asked again.
 */
export function restoredVector(
  own: Omit<SubjectState, 'version'>,
  lost: ConsentVector,
  catalogue: Catalogue,
  now: string,
): ConsentVector {
  return purposesOf(own.vector, lost).reduce((vector, purpose) => {
    const before = standingState(own, purpose);
    const told = stateOf(lost, purpose);
    const merged = mergedState(before, told, purpose, catalogue, now);
    const after = before === undefined && merged?.decision === 'granted' ? ended(merged, now) : merged;
    return after === undefined || after === before ? vector : withState(vector, purpose, after);
  }, own.vector);
}
