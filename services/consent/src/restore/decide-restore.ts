import type { ConsentVector, PurposeChange, PurposeId } from '@entente/contracts';
import { decideErasure } from '../erasure/decide-erasure.ts';
import { spread } from '../identity/vector-merge.ts';
import type { DecisionContext } from '../ledger/decision-context.ts';
import { transitionIfNew } from '../ledger/transition.ts';
import type { Decision, People, Subject } from '../ledger/transition.ts';
import { isErased, standingState } from '../ledger/vector-access.ts';
import { purposesOf } from '../identity/vector-merge.ts';
import type { LostState } from './lost-change.ts';
import { restoredVector } from './restored-vector.ts';

/**
 * RST-4 for one person. There is always a new version, also where the database says already what it should: the world holds a
 * higher one, which only a version above it replaces. It travels as a denial does, because it may take away what the lost
 * change gave.
 */
export function decideRestore<S extends Subject>(
  people: People<S>,
  lost: Pick<LostState, 'vector' | 'erased'>,
  context: DecisionContext,
): Decision<S> {
  const { row, linked } = people;
  if (lost.erased && !isErased(row)) return decideErasure(people, context);
  const vector = restoredVector(row, lost.vector, context.catalogue, context.now);
  const others = linked.flatMap((subject) => {
    const spreadTo = spread(subject.vector, { before: row.vector, after: vector }, context.catalogue, context.now);
    return transitionIfNew(subject, spreadTo, 'restore');
  });
  const own = {
    ...{ subject: row, vector, erases: false, direction: 'deny' as const },
    changes: changesOf(row, vector, lost.vector),
    concerned: isErased(row) ? [...context.catalogue.purposes.keys()] : purposesOf(vector, lost.vector),
  };
  return {
    kind: 'recorded',
    transitions: [own, ...others],
    ...{ decisions: [], ignored: [], refused: [], named: null, alreadyDenied: false, usesKey: false },
  };
}

/** Every purpose that now stands otherwise than the database or the logs said. */
function changesOf(row: Subject, after: ConsentVector, lost: ConsentVector): PurposeChange[] {
  return purposesOf(after, lost).flatMap((purpose: PurposeId) => {
    const to = standingState({ vector: after, erasedAt: row.erasedAt ?? null }, purpose);
    const from = standingState(row, purpose);
    if (to === undefined || (to === from && lost[purpose]?.decision === to.decision)) return [];
    return [{ purpose, from: from?.decision ?? null, to: to.decision, cause: 'restore' }];
  });
}
