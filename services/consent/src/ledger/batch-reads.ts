import type { ConsentVector, ControllerId, SubjectKey } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import type { RecordedAnswer } from './answer.ts';
import type { CircleId } from '../identity/circles.ts';
import { requestKeyOf } from './command.ts';
import type { Command, OtherSubject } from './command.ts';
import { keyId, rowId } from './fold.ts';
import type { Addressed, AnsweredKey, Change, Folded } from './fold.ts';
import * as sql from './ledger-sql.ts';
import type { StandingRecord } from './outcomes.ts';

/** A person's row as locked. */
export interface SubjectRow {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly vector: ConsentVector;
  readonly identifiersSealed: string | null;
  /** Database time of the last erasure, ISO 8601. */
  readonly erasedAt?: string | null;
  readonly now: string;
}

/** What the decisions of a batch rest on beside the subjects' rows. */
export interface DecisionBasis {
  readonly catalogueNumber: number;
  readonly incarnation: number;
  /** By `keyId`. */
  readonly answered: ReadonlyMap<string, AnsweredKey>;
  /** By `rowId`: the circle of each subject that is linked (REC-4). */
  readonly circles: ReadonlyMap<string, CircleId>;
  /** By `rowId`: wrapped data keys. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly suppressed: ReadonlySet<string>;
}

/** Somebody was linked with one of a batch's subjects while it waited for its locks; begun again, it locks them too. */
export class LinkedMeanwhile extends Error {
  override readonly name = 'LinkedMeanwhile';
}

/** A person is stored under the key of their first write; a look-up tries every live key (design.md §1). */
export async function addressedCommands(tx: PoolClient, commands: readonly Command[]): Promise<Addressed[]> {
  const named = commands.flatMap((command) =>
    [command, ...otherOf(command)].map(({ candidates }) => ({ command, candidates })),
  );
  const asked = named.filter(({ candidates }) => candidates.length > 1);
  const known = asked.length === 0 ? new Set<string>() : await knownKeys(tx, asked);
  const keyOf = ({ controller }: Command, candidates: Command['candidates']): SubjectKey =>
    candidates.find((key) => known.has(rowId(controller, key))) ?? candidates[0];
  return commands.map((command) => {
    const [other] = otherOf(command);
    const subjectKey = keyOf(command, command.candidates);
    return { command, subjectKey, ...(other === undefined ? {} : { otherKey: keyOf(command, other.candidates) }) };
  });
}

const otherOf = ({ event }: Command): OtherSubject[] =>
  event?.kind === 'merge' || event?.kind === 'split' ? [event.other] : [];

async function knownKeys(
  tx: PoolClient,
  asked: readonly { readonly command: Command; readonly candidates: readonly SubjectKey[] }[],
): Promise<Set<string>> {
  const wanted = asked.flatMap(({ command: { controller }, candidates }) =>
    candidates.map((key) => ({ controller, key })),
  );
  const { rows } = await tx.query<{ controller: ControllerId; subjectKey: SubjectKey }>(sql.knownKeysSql, [
    wanted.map(({ controller }) => controller),
    wanted.map(({ key }) => key),
  ]);
  return new Set(rows.map(({ controller, subjectKey }) => rowId(controller, subjectKey)));
}

export async function lockSubjects(tx: PoolClient, addressed: readonly Addressed[]): Promise<SubjectRow[]> {
  const { rows } = await tx.query<SubjectRow>({
    ...{ name: 'consent-lock', text: sql.lockSubjectsSql, values: namedSubjects(addressed) },
  });
  return rows;
}

/** As `lockSubjects`, for judging alone. */
export async function readSubjects(tx: PoolClient, addressed: readonly Addressed[]): Promise<SubjectRow[]> {
  const { rows } = await tx.query<SubjectRow>({
    ...{ name: 'consent-read-subjects', text: sql.readSubjectsSql, values: namedSubjects(addressed) },
  });
  return rows;
}

function namedSubjects(addressed: readonly Addressed[]): [ControllerId[], SubjectKey[]] {
  const distinct = new Map(
    addressed.flatMap(({ command: { controller }, subjectKey, otherKey }) =>
      [subjectKey, ...(otherKey === undefined ? [] : [otherKey])].map((key) => [
        rowId(controller, key),
        { controller, subjectKey: key },
      ]),
    ),
  );
  const subjects = [...distinct.values()];
  return [subjects.map(({ controller }) => controller), subjects.map(({ subjectKey }) => subjectKey)];
}

interface BasisRow {
  readonly catalogueNumber: number;
  readonly incarnation: number;
  readonly answered: {
    readonly controller: ControllerId;
    readonly client: string;
    readonly route: string;
    readonly key: string;
    readonly fingerprint: string;
    readonly answer: RecordedAnswer;
  }[];
  readonly links?: readonly (RowName & { readonly circle: CircleId })[] | null;
  readonly secrets?: readonly (RowName & { readonly wrapped: string })[] | null;
  readonly suppressed?: readonly string[] | null;
}

interface RowName {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
}

/** Call after the locks. Throws `LinkedMeanwhile` when a linked subject is not among those locked. */
export async function decisionBasis(
  tx: PoolClient,
  commands: readonly Command[],
  locked: readonly SubjectRow[],
): Promise<DecisionBasis> {
  const keyed = commands.flatMap((command) => {
    const { controller, actor } = command;
    const key = requestKeyOf(command);
    return key?.kind === 'given' ? [{ controller, actor, key: key.key }] : [];
  });
  const { rows } = await tx.query<BasisRow>({
    name: 'consent-basis',
    text: sql.decisionBasisSql,
    values: [
      keyed.map(({ controller }) => controller),
      keyed.map(({ actor }) => actor.client),
      keyed.map(({ actor }) => actor.route),
      keyed.map(({ key }) => key),
      locked.map(({ controller }) => controller),
      locked.map(({ subjectKey }) => subjectKey),
      commands.flatMap(({ suppressible = [] }) => suppressible),
    ],
  });
  const [basis] = rows;
  if (basis === undefined) throw new Error('catalogue or incarnation row is missing');
  const answered = basis.answered.map(
    ({ controller, client, route, key, fingerprint, answer }) =>
      [keyId(controller, { client, route }, key), { fingerprint, answer }] as const,
  );
  const circles = new Map(
    (basis.links ?? []).map(({ controller, subjectKey, circle }) => [rowId(controller, subjectKey), circle]),
  );
  const held = new Set(locked.map(({ controller, subjectKey }) => rowId(controller, subjectKey)));
  if ([...circles.keys()].some((linked) => !held.has(linked))) throw new LinkedMeanwhile();
  return {
    ...{ catalogueNumber: basis.catalogueNumber, incarnation: basis.incarnation, circles },
    answered: new Map(answered),
    secrets: new Map(
      (basis.secrets ?? []).map(({ controller, subjectKey, wrapped }) => [rowId(controller, subjectKey), wrapped]),
    ),
    suppressed: new Set(basis.suppressed ?? []),
  };
}

export async function dropUnused(
  tx: PoolClient,
  rows: readonly SubjectRow[],
  changes: readonly Change[],
): Promise<void> {
  const used = new Set(changes.map(({ command, subjectKey }) => rowId(command.controller, subjectKey)));
  const unused = rows.filter((row) => row.version === 0 && !used.has(rowId(row.controller, row.subjectKey)));
  if (unused.length === 0) return;
  await tx.query(sql.dropUnusedSubjectsSql, [
    unused.map(({ controller }) => controller),
    unused.map(({ subjectKey }) => subjectKey),
  ]);
}

export async function standingRecords(
  tx: PoolClient,
  addressed: readonly Addressed[],
  { outcomes }: Folded,
): Promise<Map<number, StandingRecord>> {
  const asked = outcomes.flatMap((outcome, at) => {
    const of = addressed[at];
    if (outcome.kind !== 'standing' || 'change' in outcome.record || of === undefined) return [];
    return [{ at, controller: of.command.controller, subject_key: of.subjectKey, purposes: outcome.record.purposes }];
  });
  if (asked.length === 0) return new Map();
  const { rows } = await tx.query<StandingRecord & { at: number }>(sql.standingRecordsSql, [JSON.stringify(asked)]);
  return new Map(rows.map(({ at, ...record }) => [at, record]));
}
