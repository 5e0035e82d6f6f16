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
import type { DecidedPurpose, RecordedAnswer, RefusedGrant, Rejection } from './answer.ts';
import type { Actor, Command, GivenIdentifiers } from './command.ts';
import { decide } from './decide.ts';
import type { KeyStanding } from './decision-context.ts';

/** One person's row as locked by this transaction. */
export interface LockedSubject {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  /** 0 for a row this transaction has just made. */
  readonly version: number;
  readonly vector: ConsentVector;
}

/** A command with the row it is about. */
export interface Addressed {
  readonly command: Command;
  readonly subjectKey: SubjectKey;
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
}

/** One version of one subject: ledger entry, outbox rows. */
export interface Change {
  readonly changeId: string;
  readonly command: Command;
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly direction: 'deny' | 'grant';
  readonly vector: ConsentVector;
  readonly changes: readonly PurposeChange[];
  /** Purposes whose recipients must hear of it. */
  readonly concerned: readonly PurposeId[];
  /** What this batch has told about the person up to here, newest last. */
  readonly identifiers: GivenIdentifiers;
}

interface AnswerParts {
  readonly decisions: readonly DecidedPurpose[];
  readonly ignored: readonly PurposeId[];
  readonly refused: readonly RefusedGrant[];
  /** The request's Idempotency-Key is to be stored with this answer. */
  readonly usesKey: boolean;
}

/** What became of one command; `change` is an index into `Folded.changes`. */
export type FoldedOutcome =
  | (AnswerParts & { readonly kind: 'changed'; readonly change: number })
  | (AnswerParts & {
      readonly kind: 'standing';
      readonly alreadyDenied: boolean;
      /** Where the answer's record is: a change of this batch, or the newest in the ledger that touched these purposes. */
      readonly record: { readonly change: number } | { readonly purposes: readonly PurposeId[] };
    })
  | { readonly kind: 'replayed'; readonly answer: RecordedAnswer }
  /** The same key earlier in this batch: its answer is that command's. */
  | { readonly kind: 'repeated'; readonly of: number }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** A subject's row as this batch leaves it. */
interface SubjectAfter {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly subjectId: SubjectId;
  readonly version: number;
  readonly vector: ConsentVector;
  /** What the batch told about the person. */
  readonly identifiers: GivenIdentifiers;
}

export interface Folded {
  readonly outcomes: readonly FoldedOutcome[];
  readonly changes: readonly Change[];
  /** By `rowId`: every subject that got a version or new identifiers. */
  readonly states: ReadonlyMap<string, SubjectAfter>;
}

/** A request key used earlier in this batch; its answer is that command's. */
interface UsedKey {
  readonly fingerprint: string;
  readonly of: number;
}

interface Held {
  version: number;
  vector: ConsentVector;
  identifiers: GivenIdentifiers;
  /** Indexes of this batch's changes of this subject. */
  readonly changes: number[];
}

export const rowId = (controller: ControllerId, subjectKey: SubjectKey): string => `${controller} ${subjectKey}`;

/** Scope of an Idempotency-Key: one client on one route of one controller. */
export const keyId = (controller: ControllerId, actor: Actor, key: string): string =>
  JSON.stringify([controller, actor.client, actor.route, key]);

/**
 * REC-2: requests for one subject are folded in arrival order, each with its own version and rows, as if each had had a
 * transaction of its own.
 */
export function fold(
  subjects: readonly LockedSubject[],
  commands: readonly Addressed[],
  answered: ReadonlyMap<string, AnsweredKey>,
  context: FoldContext,
): Folded {
  const rows = new Map<string, Held>(
    subjects.map(({ controller, subjectKey, version, vector }) => [
      rowId(controller, subjectKey),
      { version, vector, identifiers: {}, changes: [] },
    ]),
  );
  const usedKeys = new Map<string, UsedKey>();
  const outcomes: FoldedOutcome[] = [];
  const changes: Change[] = [];
  const states = new Map<string, SubjectAfter>();
  for (const [index, { command, subjectKey }] of commands.entries()) {
    const row = rows.get(rowId(command.controller, subjectKey));
    if (row === undefined) throw new Error('a command without its locked row');
    const id = idOfKey(command);
    const before = id === undefined ? undefined : (usedKeys.get(id) ?? answered.get(id));
    const outcome = foldOne(row, command, subjectKey, standingOf(before, command), context, changes);
    outcomes.push(outcome === 'replayed' ? replayOf(before) : outcome);
    if (id !== undefined && typeof outcome === 'object' && 'usesKey' in outcome && outcome.usesKey)
      usedKeys.set(id, { fingerprint: fingerprintOf(command) ?? '', of: index });
    const { version, vector, identifiers } = row;
    if (row.changes.length > 0 || Object.keys(identifiers).length > 0)
      states.set(rowId(command.controller, subjectKey), {
        controller: command.controller,
        subjectKey,
        subjectId: command.subjectId,
        version,
        vector,
        identifiers,
      });
  }
  return { outcomes, changes, states };
}

function foldOne(
  row: Held,
  command: Command,
  subjectKey: SubjectKey,
  key: KeyStanding,
  context: FoldContext,
  changes: Change[],
): FoldedOutcome | 'replayed' {
  const decided = decide(row, command, key, { catalogue: context.catalogue(command.controller), now: context.now });
  if (decided.kind === 'replayed') return 'replayed';
  if (decided.kind === 'rejected') return decided;
  row.identifiers = { ...row.identifiers, ...command.identifiers };
  const { decisions, ignored, refused, usesKey } = decided;
  const parts = { decisions, ignored, refused, usesKey };
  if (decided.kind === 'standing') {
    const touching = row.changes.findLast((index) => touches(changes[index], decided.named));
    const record = touching === undefined ? { purposes: decided.named } : { change: touching };
    return { ...parts, kind: 'standing', alreadyDenied: decided.alreadyDenied, record };
  }
  row.version = nextVersion(row.version, context.incarnation);
  row.vector = decided.vector;
  row.changes.push(changes.length);
  changes.push({
    changeId: context.newChangeId(),
    command,
    subjectKey,
    version: row.version,
    direction: decided.direction,
    vector: decided.vector,
    changes: decided.changes,
    concerned: concernedBy(command, decided),
    identifiers: row.identifiers,
  });
  return { ...parts, kind: 'changed', change: changes.length - 1 };
}

/** A withdrawal of everything concerns every recipient of everything it named, changed by it or not. */
function concernedBy(
  { deny }: Command,
  { named, changes }: { readonly named: readonly PurposeId[]; readonly changes: readonly PurposeChange[] },
): PurposeId[] {
  const changed = changes.map(({ purpose }) => purpose);
  return deny?.purposes === 'all' ? [...new Set([...named, ...changed])] : changed;
}

const touches = (change: Change | undefined, purposes: readonly PurposeId[]): boolean =>
  change?.changes.some(({ purpose }) => purposes.includes(purpose)) ?? false;

function idOfKey({ controller, actor, grant }: Command): string | undefined {
  return grant?.key.kind === 'given' ? keyId(controller, actor, grant.key.key) : undefined;
}

const fingerprintOf = ({ grant }: Command): string | undefined =>
  grant?.key.kind === 'given' ? grant.key.fingerprint : undefined;

function standingOf(before: AnsweredKey | UsedKey | undefined, command: Command): KeyStanding {
  if (before === undefined) return 'fresh';
  return before.fingerprint === fingerprintOf(command) ? 'answered' : 'reused';
}

function replayOf(before: AnsweredKey | UsedKey | undefined): FoldedOutcome {
  if (before === undefined) throw new Error('a replay of nothing');
  return 'answer' in before ? { kind: 'replayed', answer: before.answer } : { kind: 'repeated', of: before.of };
}
