import { isDenyDirection } from '@entente/contracts';
import type { Cause, ConsentVector, PurposeChange, PurposeId, SubjectKey } from '@entente/contracts';
import type { DecidedPurpose, RefusedGrant, Rejection } from './answer.ts';
import type { SubjectState } from './decision-context.ts';
import { changesBetween, stateOf } from './vector-access.ts';

/** A subject's row, by its key. */
export type Subject = SubjectState & { readonly subjectKey: SubjectKey };

/** Everybody a command may change. */
export interface People<S extends Subject> {
  readonly row: S;
  /** The other subject of a merge or a split. */
  readonly other: S | undefined;
  /** The row's other keys, and those of `other` (REC-4). */
  readonly linked: readonly S[];
  readonly otherLinked: readonly S[];
  /** The identifiers told are among those of erased people. */
  readonly suppressed: boolean;
}

/** One subject's next version. */
export interface Transition<S extends Subject> {
  readonly subject: S;
  readonly vector: ConsentVector;
  readonly direction: 'deny' | 'grant';
  readonly changes: readonly PurposeChange[];
  /** Purposes whose recipients must hear of it. */
  readonly concerned: readonly PurposeId[];
  readonly erases: boolean;
}

export type Decision<S extends Subject> =
  | {
      readonly kind: 'recorded';
      readonly transitions: readonly Transition<S>[];
      readonly decisions: readonly DecidedPurpose[];
      readonly ignored: readonly string[];
      readonly refused: readonly RefusedGrant[];
      /** What the answer's record must have touched when nothing was changed; null: anything. */
      readonly named: readonly PurposeId[] | null;
      readonly alreadyDenied: boolean;
      readonly usesKey: boolean;
    }
  | { readonly kind: 'replayed' }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

export function transitionTo<S extends Subject>(subject: S, vector: ConsentVector, cause: Cause): Transition<S> {
  const changes = changesBetween(subject.vector, vector, cause);
  return {
    ...{ subject, vector, changes },
    direction: isDenyDirection(subject.vector, vector) ? 'deny' : 'grant',
    concerned: changes.map(({ purpose }) => purpose),
    erases: false,
  };
}

/** The transition, if there is anything to change. */
export const transitionIfNew = <S extends Subject>(subject: S, vector: ConsentVector, cause: Cause): Transition<S>[] =>
  vector === subject.vector ? [] : [transitionTo(subject, vector, cause)];

export const decisionsOf = (vector: ConsentVector): DecidedPurpose[] =>
  (Object.keys(vector) as PurposeId[]).sort().flatMap((purpose) => {
    const decision = stateOf(vector, purpose)?.decision;
    return decision === undefined ? [] : [{ purpose, decision }];
  });
