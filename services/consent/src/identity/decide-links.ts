import type { Rejection } from '../ledger/answer.ts';
import type { Preconditions } from '../ledger/command.ts';
import type { DecisionContext, KeyStanding } from '../ledger/decision-context.ts';
import { preconditionOf } from '../ledger/grant-rules.ts';
import { decisionsOf, transitionIfNew, transitionTo } from '../ledger/transition.ts';
import type { Decision, People, Subject } from '../ledger/transition.ts';
import { isErased } from '../ledger/vector-access.ts';
import { mergedVector, spread, withoutLent } from './vector-merge.ts';

/** Most keys of one person: each of their refusals is that many rows in one transaction (REC-4). */
const mostLinked = 50;

/**
 * REC-7: the two become one person, each with the merged vector under its own key and counter. Every other key of either
 * loses what the merge takes away (REC-4). Both get a version even when nothing else changes: a link is an event too.
 */
export function decideMerge<S extends Subject>(
  { row, other, linked, otherLinked }: People<S>,
  preconditions: Preconditions,
  key: KeyStanding,
  { catalogue, now }: DecisionContext,
): Decision<S> {
  if (key === 'answered') return { kind: 'replayed' };
  const stopped = preconditionOf(row.version, preconditions, key);
  if (stopped !== null) return { kind: 'rejected', rejection: stopped };
  if (other === undefined || other === row) return { kind: 'rejected', rejection: sameSubject };
  if (linked.includes(other))
    return { ...recorded, transitions: [], decisions: decisionsOf(row.vector), usesKey: true };
  if (isErased(row) || isErased(other)) return { kind: 'rejected', rejection: erasedSubject };
  if (2 + linked.length + otherLinked.length > mostLinked) return { kind: 'rejected', rejection: tooMany };
  const merged = mergedVector(row, other, catalogue, now);
  const otherMerged = mergedVector(other, row, catalogue, now);
  const losses = (subjects: readonly S[], of: S, after: typeof merged) =>
    subjects.flatMap((subject) =>
      transitionIfNew(subject, spread(subject.vector, { before: of.vector, after }, catalogue, now), 'merge'),
    );
  return {
    ...recorded,
    transitions: [
      transitionTo(row, merged, 'merge'),
      transitionTo(other, otherMerged, 'merge'),
      ...losses(linked, row, merged),
      ...losses(otherLinked, other, otherMerged),
    ],
    decisions: decisionsOf(merged),
    usesKey: true,
  };
}

/**
 * Takes `other` out of the person's keys. What one key lent to another ends everywhere in the circle, because it is no longer
 * known whose it was; what the merge took away stays away. So nothing is allowed that was not before.
 */
export function decideSplit<S extends Subject>(
  { row, other, linked }: People<S>,
  { now }: DecisionContext,
): Decision<S> {
  if (other === undefined || !linked.includes(other)) return { kind: 'rejected', rejection: notLinked };
  const parted = withoutLent(row.vector, now);
  return {
    ...recorded,
    transitions: [
      transitionTo(row, parted, 'merge'),
      transitionTo(other, withoutLent(other.vector, now), 'merge'),
      ...linked
        .filter((subject) => subject !== other)
        .flatMap((subject) => transitionIfNew(subject, withoutLent(subject.vector, now), 'merge')),
    ],
    decisions: decisionsOf(parted),
    usesKey: false,
  };
}

const recorded = { kind: 'recorded', ignored: [], refused: [], named: null, alreadyDenied: false } as const;

const sameSubject: Rejection = {
  code: 'same-subject',
  status: 422,
  detail: 'A person cannot be linked with the same key.',
  errors: [{ pointer: '/subjectId', detail: 'is the subject of the path' }],
};

const erasedSubject: Rejection = {
  code: 'erased-subject',
  status: 409,
  detail: 'One of the two was erased and has not come back by a grant of their own; linking would tie a name to them.',
};

const tooMany: Rejection = {
  code: 'too-many-links',
  status: 409,
  detail: `A person has at most ${mostLinked} linked keys.`,
};

const notLinked: Rejection = { code: 'not-linked', status: 404, detail: 'The two are not linked.' };
