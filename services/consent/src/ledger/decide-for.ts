import { decideErasure } from '../erasure/decide-erasure.ts';
import { expiredVector } from '../expiry/expired-vector.ts';
import { decideMerge, decideSplit } from '../identity/decide-links.ts';
import { spread } from '../identity/vector-merge.ts';
import { decideRestore } from '../restore/decide-restore.ts';
import type { Command } from './command.ts';
import { decide, denyPart } from './decide.ts';
import type { Decided } from './decide.ts';
import type { DecisionContext, KeyStanding } from './decision-context.ts';
import { decisionsOf, transitionIfNew } from './transition.ts';
import type { Decision, People, Subject, Transition } from './transition.ts';
import { standingState } from './vector-access.ts';

/** What a command makes of all the person's keys. Pure. */
export function decideFor<S extends Subject>(
  people: People<S>,
  command: Command,
  key: KeyStanding,
  context: DecisionContext,
): Decision<S> {
  switch (command.event?.kind) {
    case undefined:
      return decideChoices(people, command, key, context);
    case 'expiry':
      return decideExpiry(people.row, context);
    case 'erasure':
      return decideErasure(people, context);
    case 'merge':
      return decideMerge(people, command.event.preconditions, key, context);
    case 'split':
      return decideSplit(people, context);
    case 'restore':
      return decideRestore(people, command.event.lost, context);
  }
}

function decideChoices<S extends Subject>(
  { row, linked, suppressed }: People<S>,
  command: Command,
  key: KeyStanding,
  context: DecisionContext,
): Decision<S> {
  const decided = decide({ ...row, suppressed }, command, key, context);
  if (decided.kind === 'rejected') return decided;
  const own = decided.kind === 'changed' ? [ownTransition(row, command, decided)] : [];
  const after = decided.kind === 'changed' ? decided.vector : row.vector;
  // A recipient is refused under each key for itself: that nobody had been asked under one takes no other's grant away.
  const before = command.deny?.recipients === undefined ? row.vector : denyPart(row, command, context).vector;
  const others = linked.flatMap((subject) => {
    const denied = denyPart(subject, command, context).vector;
    const vector = spread(denied, { before, after }, context.catalogue, context.now);
    return transitionIfNew(subject, vector, command.cause ?? 'person');
  });
  if (decided.kind === 'replayed') return others.length === 0 ? decided : standing(others);
  const { decisions, ignored, refused, usesKey } = decided;
  // A recipient may be refused for purposes that nothing was ever decided about: then no record has touched them.
  const isUndecided = decided.named.every((purpose) => standingState(row, purpose) === undefined);
  const named = command.deny?.recipients !== undefined && isUndecided ? null : decided.named;
  return {
    kind: 'recorded',
    transitions: [...own, ...others],
    ...{ decisions, ignored, refused, named, usesKey },
    alreadyDenied: decided.kind === 'standing' && decided.alreadyDenied,
  };
}

function ownTransition<S extends Subject>(
  subject: S,
  { deny }: Command,
  { vector, direction, changes, named }: Extract<Decided, { kind: 'changed' }>,
): Transition<S> {
  const changed = changes.map(({ purpose }) => purpose);
  // A withdrawal of everything concerns every recipient of everything it named, changed by it or not.
  const isEverything = deny?.purposes === 'all' && deny.recipients === undefined;
  const concerned = isEverything ? [...new Set([...named, ...changed])] : changed;
  return { subject, vector, direction, changes, concerned, erases: false };
}

/**
 * A grant's end is its own, so linked subjects keep theirs: each has the end it was given, and its clock is read at every
 * check (GATE-4), however late this is recorded.
 */
function decideExpiry<S extends Subject>(row: S, { now }: DecisionContext): Decision<S> {
  const vector = expiredVector(row.vector, now);
  return { ...standing(transitionIfNew(row, vector, 'expiry')), decisions: decisionsOf(vector) };
}

/** Recorded for these; the answer may stand on any record of the person. */
const standing = <S extends Subject>(transitions: readonly Transition<S>[]) =>
  ({
    kind: 'recorded',
    transitions,
    ...{ decisions: [], ignored: [], refused: [], named: null, alreadyDenied: false, usesKey: false },
  }) as const;
