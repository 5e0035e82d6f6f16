import type { ConsentVector, ControllerId, SubjectKey } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import type { RecordedAnswer } from './answer.ts';
import type { Command } from './command.ts';
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
  readonly now: string;
}

/** What the decisions of a batch rest on beside the subjects' rows. */
export interface DecisionBasis {
  readonly catalogueNumber: number;
  readonly incarnation: number;
  /** By `keyId`. */
  readonly answered: ReadonlyMap<string, AnsweredKey>;
}

/** A person is stored under the key of their first write; a look-up tries every live key (design.md §1). */
export async function addressedCommands(tx: PoolClient, commands: readonly Command[]): Promise<Addressed[]> {
  if (commands.every(({ candidates }) => candidates.length === 1))
    return commands.map((command) => ({ command, subjectKey: command.candidates[0] }));
  const wanted = commands.flatMap(({ controller, candidates }) => candidates.map((key) => ({ controller, key })));
  const { rows } = await tx.query<{ controller: ControllerId; subjectKey: SubjectKey }>(sql.knownKeysSql, [
    wanted.map(({ controller }) => controller),
    wanted.map(({ key }) => key),
  ]);
  const known = new Set(rows.map(({ controller, subjectKey }) => rowId(controller, subjectKey)));
  return commands.map((command) => ({
    command,
    subjectKey: command.candidates.find((key) => known.has(rowId(command.controller, key))) ?? command.candidates[0],
  }));
}

export async function lockSubjects(tx: PoolClient, addressed: readonly Addressed[]): Promise<SubjectRow[]> {
  const distinct = new Map(
    addressed.map(({ command: { controller }, subjectKey }) => [
      rowId(controller, subjectKey),
      { controller, subjectKey },
    ]),
  );
  const subjects = [...distinct.values()];
  const { rows } = await tx.query<SubjectRow>({
    name: 'consent-lock',
    text: sql.lockSubjectsSql,
    values: [subjects.map(({ controller }) => controller), subjects.map(({ subjectKey }) => subjectKey)],
  });
  return rows;
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
}

/** Call after the locks. */
export async function decisionBasis(tx: PoolClient, commands: readonly Command[]): Promise<DecisionBasis> {
  const keyed = commands.flatMap(({ controller, actor, grant }) =>
    grant?.key.kind === 'given' ? [{ controller, actor, key: grant.key.key }] : [],
  );
  const { rows } = await tx.query<BasisRow>({
    name: 'consent-basis',
    text: sql.decisionBasisSql,
    values: [
      keyed.map(({ controller }) => controller),
      keyed.map(({ actor }) => actor.client),
      keyed.map(({ actor }) => actor.route),
      keyed.map(({ key }) => key),
    ],
  });
  const [basis] = rows;
  if (basis === undefined) throw new Error('catalogue or incarnation row is missing');
  const answered = basis.answered.map(
    ({ controller, client, route, key, fingerprint, answer }) =>
      [keyId(controller, { client, route }, key), { fingerprint, answer }] as const,
  );
  return { ...basis, answered: new Map(answered) };
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
