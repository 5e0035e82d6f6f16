import { emptyVector } from '@entente/contracts';
import type { PurposeId } from '@entente/contracts';
import type { DecisionContext } from '../ledger/decision-context.ts';
import type { Decision, People, Subject, Transition } from '../ledger/transition.ts';
import { isErased, standingState } from '../ledger/vector-access.ts';

/**
 * REC-8: `erased` for every purpose, under every key of the person, with an empty vector. Judged by state: whoever is erased
 * already is answered with that record. It concerns every recipient, because only the connectors know who holds something.
 */
export function decideErasure<S extends Subject>({ row, linked }: People<S>, context: DecisionContext): Decision<S> {
  const { purposes } = context.catalogue;
  const active = [...purposes.values()].filter((purpose) => purpose.active).map(({ id }) => id);
  const transitions = [row, ...linked]
    .filter((subject) => !isErased(subject))
    .map((subject): Transition<S> => {
      const held = Object.keys(subject.vector) as PurposeId[];
      return {
        subject,
        vector: emptyVector,
        direction: 'deny',
        changes: [...new Set([...held, ...active])].sort().map((purpose) => ({
          purpose,
          from: standingState(subject, purpose)?.decision ?? null,
          to: 'erased',
          cause: 'erasure',
        })),
        concerned: [...new Set([...held, ...purposes.keys()])],
        erases: true,
      };
    });
  return {
    kind: 'recorded',
    transitions,
    decisions: [...new Set([...(Object.keys(row.vector) as PurposeId[]), ...active])]
      .sort()
      .map((purpose) => ({ purpose, decision: 'erased' })),
    ...{ ignored: [], refused: [], named: null, usesKey: false },
    alreadyDenied: isErased(row),
  };
}
