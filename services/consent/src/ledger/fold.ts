import { nextVersion } from '@entente/contracts';
import type {
  Catalogue,
  ConsentVector,
  ControllerId,
  PurposeChange,
  PurposeId,
  SubjectId,
  SubjectKey,
} from '@entente/contracts';
import { Circles } from '../identity/circles.ts';
import type { CircleId } from '../identity/circles.ts';
import type { DecidedPurpose, RecordedAnswer, RefusedGrant, Rejection } from './answer.ts';
import { requestKeyOf } from './command.ts';
import type { Actor, Command, GivenIdentifiers } from './command.ts';
import { decideFor } from './decide-for.ts';
import type { KeyStanding } from './decision-context.ts';
import type { Decision, Transition } from './transition.ts';
import { isErased } from './vector-access.ts';

/** One person's row as locked by this transaction. */
export interface LockedSubject {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  /** 0 for a row this transaction has just made. */
  readonly version: number;
  readonly vector: ConsentVector;
  /** Database time of the last erasure, ISO 8601. */
  readonly erasedAt?: string | null;
  /** Whom this subject is linked with: equal for all keys of one person (REC-4). */
  readonly circle?: CircleId | null;
}

/** A command with the row it is about. */
export interface Addressed {
  readonly command: Command;
  readonly subjectKey: SubjectKey;
  /** The row of the other subject of a merge or a split. */
  readonly otherKey?: SubjectKey;
}

/** A request key that was answered before, from the table. */
export interface AnsweredKey {
  readonly fingerprint: string;
  readonly answer: RecordedAnswer;
}

export interface FoldContext {
  readonly incarnation: number;
  /** Database time of this transaction, ISO 8601. */
  readonly now: string;
  /** The catalogue of one controller, all of the same number. */
  readonly catalogue: (controller: ControllerId) => Catalogue;
  readonly newChangeId: () => string;
  /** Pseudonyms of identifiers that erased people left behind, of those this batch tells. */
  readonly suppressed?: ReadonlySet<string>;
}

/** One version of one subject: ledger entry, outbox rows. */
export interface Change {
  readonly changeId: string;
  readonly command: Command;
  readonly subjectKey: SubjectKey;
  /** The controller's own id, where the request named this subject by it. */
  readonly subjectId?: SubjectId | undefined;
  /** The other subject of the merge or split that this change comes from. */
  readonly otherKey?: SubjectKey;
  readonly version: number;
  readonly direction: 'deny' | 'grant';
  readonly vector: ConsentVector;
  readonly changes: readonly PurposeChange[];
  /** Purposes whose recipients must hear of it. */
  readonly concerned: readonly PurposeId[];
  /** What this batch has told about the person up to here, newest last. */
  readonly identifiers: GivenIdentifiers;
  /** The batch has erased the person before this change: what was stored of them is gone. */
  readonly forgotten: boolean;
}

interface AnswerParts {
  readonly decisions: readonly DecidedPurpose[];
  readonly ignored: readonly string[];
  readonly refused: readonly RefusedGrant[];
  /** Changes of linked subjects that this command made, as indexes into `Folded.changes`, in key order. */
  readonly linked: readonly number[];
  /** Nobody was known by this id, as far as the record the answer stands on is the only one of the subject. */
  readonly mayBeMistyped: boolean;
  /** The request's Idempotency-Key is to be stored with this answer. */
  readonly usesKey: boolean;
}

/** What became of one command; `change` is an index into `Folded.changes`. */
export type FoldedOutcome =
  | (AnswerParts & { readonly kind: 'changed'; readonly change: number })
  | (AnswerParts & {
      readonly kind: 'standing';
      readonly alreadyDenied: boolean;
      /** Where the answer's record is: a change of this batch, or the newest in the ledger that touched these purposes (null: any). */
      readonly record: { readonly change: number } | { readonly purposes: readonly PurposeId[] | null };
    })
  | { readonly kind: 'replayed'; readonly answer: RecordedAnswer }
  /** The same key earlier in this batch: its answer is that command's. */
  | { readonly kind: 'repeated'; readonly of: number }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** A subject's row as this batch leaves it. */
interface SubjectAfter {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly subjectId?: SubjectId | undefined;
  readonly version: number;
  readonly vector: ConsentVector;
  readonly erasedAt: string | null;
  /** What was stored of the person is to be destroyed. */
  readonly forgotten: boolean;
  /** What the batch told about the person. */
  readonly identifiers: GivenIdentifiers;
}

export interface Folded {
  readonly outcomes: readonly FoldedOutcome[];
  readonly changes: readonly Change[];
  /** By `rowId`: every subject that got a version or new identifiers. */
  readonly states: ReadonlyMap<string, SubjectAfter>;
  /** Subjects whose links this batch changed, each with the circle it belongs to now. */
  readonly links: ReadonlyMap<SubjectAfter, CircleId | null>;
}

/** A request key used earlier in this batch; its answer is that command's. */
interface UsedKey {
  readonly fingerprint: string;
  readonly of: number;
}

interface Held {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  subjectId: SubjectId | undefined;
  version: number;
  vector: ConsentVector;
  erasedAt: string | null;
  forgotten: boolean;
  identifiers: GivenIdentifiers;
  /** The ledger held nothing of the subject before this batch. */
  readonly isNew: boolean;
  /** Indexes of this batch's changes of this subject. */
  readonly changes: number[];
}

export const rowId = (controller: ControllerId, subjectKey: SubjectKey): string => `${controller} ${subjectKey}`;

/** Scope of an Idempotency-Key: one client on one route of one controller. */
export const keyId = (controller: ControllerId, actor: Actor, key: string): string =>
  JSON.stringify([controller, actor.client, actor.route, key]);

/**
 * REC-2: requests for one subject are folded in arrival order, each with its own version and rows, as if each had had a
 * transaction of its own. Every key linked to a subject named must be among `subjects` (REC-4).
 */
export function fold(
  subjects: readonly LockedSubject[],
  commands: readonly Addressed[],
  answered: ReadonlyMap<string, AnsweredKey>,
  context: FoldContext,
): Folded {
  const rows = new Map<string, Held>(
    subjects.map((subject) => [rowId(subject.controller, subject.subjectKey), heldOf(subject)]),
  );
  const circles = new Circles(
    subjects.map(({ controller, subjectKey, circle = null }) => [rowId(controller, subjectKey), circle]),
    context.newChangeId,
  );
  const usedKeys = new Map<string, UsedKey>();
  const outcomes: FoldedOutcome[] = [];
  const changes: Change[] = [];
  for (const [index, addressed] of commands.entries()) {
    const { command } = addressed;
    const id = idOfKey(command);
    const before = id === undefined ? undefined : (usedKeys.get(id) ?? answered.get(id));
    const outcome = foldOne({ rows, circles, changes, context }, addressed, standingOf(before, command));
    outcomes.push(outcome === 'replayed' ? replayOf(before) : outcome);
    if (id !== undefined && typeof outcome === 'object' && 'usesKey' in outcome && outcome.usesKey)
      usedKeys.set(id, { fingerprint: fingerprintOf(command) ?? '', of: index });
  }
  const states = new Map(
    [...rows].filter(([, row]) => row.changes.length > 0 || Object.keys(row.identifiers).length > 0),
  );
  const links = [...circles.changed].flatMap(([id, circle]) => {
    const row = rows.get(id);
    return row === undefined ? [] : ([[row, circle]] as const);
  });
  return { outcomes, changes, states, links: new Map(links) };
}

const heldOf = ({ controller, subjectKey, version, vector, erasedAt = null }: LockedSubject): Held => ({
  ...{ controller, subjectKey, version, vector, erasedAt },
  ...{ subjectId: undefined, forgotten: false, identifiers: {}, isNew: version === 0, changes: [] },
});

interface Batch {
  readonly rows: ReadonlyMap<string, Held>;
  readonly circles: Circles;
  readonly changes: Change[];
  readonly context: FoldContext;
}

function foldOne(batch: Batch, addressed: Addressed, key: KeyStanding): FoldedOutcome | 'replayed' {
  const { rows, circles, context } = batch;
  const { command, subjectKey, otherKey } = addressed;
  const { controller } = command;
  const row = rowOf(rows, controller, subjectKey);
  const other = otherKey === undefined ? undefined : rowOf(rows, controller, otherKey);
  const linkedTo = (key: SubjectKey | undefined): Held[] =>
    key === undefined ? [] : circles.others(rowId(controller, key)).map((id) => rows.get(id) ?? unlocked());
  const people = {
    ...{ row, other, linked: linkedTo(subjectKey), otherLinked: linkedTo(otherKey) },
    suppressed: isSuppressed(command, context),
  };
  const decided = decideFor(people, command, key, { catalogue: context.catalogue(controller), now: context.now });
  if (decided.kind === 'replayed') return 'replayed';
  if (decided.kind === 'rejected') return decided;
  row.subjectId = command.subjectId ?? row.subjectId;
  if (other !== undefined && command.event !== undefined && 'other' in command.event)
    other.subjectId = command.event.other.subjectId;
  return record(batch, addressed, row, decided);
}

/** Applies what was decided, in key order (REC-4), and composes the answer. */
function record(
  batch: Batch,
  addressed: Addressed,
  row: Held,
  decided: Extract<Decision<Held>, { named: unknown }>,
): FoldedOutcome {
  const { command } = addressed;
  const erased = decided.transitions.some(({ subject, erases }) => subject === row && erases);
  // What is told together with a refusal of someone erased would bring them back; only their own grant does (REC-8).
  const own = decided.transitions.find(({ subject }) => subject === row);
  const comesBack = !isErased({ vector: own?.vector ?? row.vector, erasedAt: row.erasedAt });
  if (!erased && comesBack) row.identifiers = { ...row.identifiers, ...command.identifiers };
  const inOrder = [...decided.transitions].sort((a, b) => (a.subject.subjectKey < b.subject.subjectKey ? -1 : 1));
  const indexes = new Map(inOrder.map((transition) => [transition.subject, change(batch, addressed, transition, row)]));
  relink(batch, addressed, inOrder);
  const { decisions, ignored, refused, usesKey } = decided;
  const linked = [...indexes].flatMap(([subject, index]) => (subject === row ? [] : [index]));
  const parts = { decisions, ignored, refused, usesKey, linked, mayBeMistyped: mayBeMistyped(command, row) };
  const index = indexes.get(row);
  if (index !== undefined) return { ...parts, kind: 'changed', change: index };
  const { named } = decided;
  const touching = row.changes.findLast((at) => named === null || touches(batch.changes[at], named));
  const found = touching === undefined ? { purposes: named } : { change: touching };
  return { ...parts, kind: 'standing', alreadyDenied: decided.alreadyDenied && linked.length === 0, record: found };
}

/**
 * A denial alone, of somebody who never granted anything and is at their first version: said of a retry too, and not of a
 * signal or of what a banner saves with grants, which are how people come to be known.
 */
function mayBeMistyped({ deny, grant, cause }: Command, { isNew, changes, vector }: Held): boolean {
  const isFirst = changes.length === (isNew ? 1 : 0);
  const isDenial = deny !== undefined && grant === undefined && cause !== 'signal';
  return isDenial && isFirst && Object.values(vector).every(({ decision }) => decision !== 'granted');
}

/** Who is one person from here on; nothing when the event changed nothing. */
function relink(
  { circles }: Batch,
  { command, subjectKey, otherKey }: Addressed,
  made: readonly Transition<Held>[],
): void {
  const { controller, event } = command;
  if (event === undefined || made.length === 0) return;
  const erases = event.kind === 'erasure' || (event.kind === 'restore' && made.some((transition) => transition.erases));
  if (erases) for (const { subject } of made) circles.part(rowId(controller, subject.subjectKey));
  if (otherKey === undefined) return;
  if (event.kind === 'merge') circles.link(rowId(controller, subjectKey), rowId(controller, otherKey));
  if (event.kind === 'split') circles.part(rowId(controller, otherKey));
}

/** @returns its index */
function change({ changes, context }: Batch, addressed: Addressed, transition: Transition<Held>, row: Held): number {
  const { subject, vector, erases } = transition;
  const { command, otherKey } = addressed;
  subject.version = nextVersion(subject.version, context.incarnation);
  subject.vector = vector;
  subject.changes.push(changes.length);
  changes.push({
    changeId: context.newChangeId(),
    command,
    subjectKey: subject.subjectKey,
    subjectId: subject.subjectId,
    ...(otherKey === undefined ? {} : { otherKey: subject === row ? otherKey : row.subjectKey }),
    version: subject.version,
    direction: transition.direction,
    vector,
    changes: transition.changes,
    concerned: transition.concerned,
    identifiers: subject.identifiers,
    forgotten: subject.forgotten,
  });
  if (erases) Object.assign(subject, { erasedAt: context.now, forgotten: true, identifiers: {}, subjectId: undefined });
  return changes.length - 1;
}

function rowOf(rows: ReadonlyMap<string, Held>, controller: ControllerId, subjectKey: SubjectKey): Held {
  const row = rows.get(rowId(controller, subjectKey));
  if (row === undefined) throw new Error('a command without its locked row');
  return row;
}

function unlocked(): never {
  throw new Error('a linked subject without its locked row');
}

const isSuppressed = ({ suppressible = [] }: Command, { suppressed }: FoldContext): boolean =>
  suppressible.some((pseudonym) => suppressed?.has(pseudonym) ?? false);

const touches = (change: Change | undefined, purposes: readonly PurposeId[]): boolean =>
  change?.changes.some(({ purpose }) => purposes.includes(purpose)) ?? false;

function idOfKey(command: Command): string | undefined {
  const key = requestKeyOf(command);
  return key?.kind === 'given' ? keyId(command.controller, command.actor, key.key) : undefined;
}

function fingerprintOf(command: Command): string | undefined {
  const key = requestKeyOf(command);
  return key?.kind === 'given' ? key.fingerprint : undefined;
}

function standingOf(before: AnsweredKey | UsedKey | undefined, command: Command): KeyStanding {
  if (before === undefined) return 'fresh';
  return before.fingerprint === fingerprintOf(command) ? 'answered' : 'reused';
}

function replayOf(before: AnsweredKey | UsedKey | undefined): FoldedOutcome {
  if (before === undefined) throw new Error('a replay of nothing');
  return 'answer' in before ? { kind: 'replayed', answer: before.answer } : { kind: 'repeated', of: before.of };
}
