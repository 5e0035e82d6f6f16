import { writeLinks } from '../identity/write-links.ts';
import { forget } from '../erasure/forget.ts';
import type { Pseudonyms } from '../erasure/pseudonyms.ts';
import { nextExpiry } from '../expiry/expired-vector.ts';
import { mergeIdentifiers, sealIdentifiers } from '../identifiers/subject-identifiers.ts';
import type { AudienceKeys } from '../identifiers/subject-identifiers.ts';
import type { CatalogueCache, Catalogues } from '../catalogue/catalogue-store.ts';
import type { KeyRing } from '@entente/contracts';
import { uuidv7 } from '@entente/contracts';
import type { Clock, Logger, Metrics } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import type { Recorded } from './answer.ts';
import {
  addressedCommands,
  decisionBasis,
  dropUnused,
  lockSubjects,
  readSubjects,
  standingRecords,
} from './batch-reads.ts';
import type { DecisionBasis, SubjectRow } from './batch-reads.ts';
import { BatchSecrets } from './batch-secrets.ts';
import { changeEvent, ledgerEntry, outboxRecords } from './change-records.ts';
import { requestKeyOf } from './command.ts';
import type { Command } from './command.ts';
import { evidenceOf, sealedEvidence } from './evidence-record.ts';
import { fold, rowId } from './fold.ts';
import type { Addressed, Folded } from './fold.ts';
import type { IncarnationCheck } from './incarnation.ts';
import { writeSql } from './ledger-sql.ts';
import { draftAnswers, stamped } from './outcomes.ts';
import { isErased } from './vector-access.ts';

export interface LedgerParts {
  readonly catalogues: CatalogueCache;
  readonly incarnation: IncarnationCheck;
  readonly identifierKeys: KeyRing;
  readonly audienceKeys: AudienceKeys;
  /** Names of identifiers that an erasure leaves behind (REC-8). */
  readonly pseudonyms: Pseudonyms;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** REC-1, REC-2: the transaction that records a batch of requests. */
export class Ledger {
  readonly #parts: LedgerParts;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** One transaction for all of them, on a connection of `pool`; answers in the same order, after the commit. */
  async record(pool: Pool, commands: readonly Command[]): Promise<readonly Recorded[]> {
    const { answers, batch, checked } = await inTransaction(pool, async (tx) => {
      const checked = await this.#parts.incarnation.first(tx);
      return { ...(await this.#recordIn(tx, commands)), checked };
    });
    checked();
    this.#count(batch);
    return answers;
  }

  /** What `record` would answer now; locks and changes nothing. */
  judge(pool: Pool, commands: readonly Command[]): Promise<readonly Recorded[]> {
    return inTransaction(pool, async (tx) => {
      const addressed = await addressedCommands(tx, commands);
      const { drafts } = await this.#decideIn(tx, addressed, await readSubjects(tx, addressed));
      return drafts;
    });
  }

  async #recordIn(tx: PoolClient, commands: readonly Command[]): Promise<{ answers: Recorded[]; batch: Batch }> {
    const addressed = await addressedCommands(tx, commands);
    const rows = await lockSubjects(tx, addressed);
    const decided = await this.#decideIn(tx, addressed, rows);
    const { folded, basis, drafts } = decided;
    await dropUnused(tx, rows, folded.changes);
    const secrets = await BatchSecrets.open(this.#parts, rows, folded, basis.secrets);
    const batch = { ...decided, rows, addressed, secrets };
    const committedAt = await this.#write(tx, batch);
    await writeLinks(tx, folded.links);
    await forget(tx, this.#parts.pseudonyms, batch);
    return { answers: drafts.map((draft) => stamped(draft, committedAt)), batch };
  }

  async #decideIn(tx: PoolClient, addressed: readonly Addressed[], rows: readonly SubjectRow[]) {
    const commands = addressed.map(({ command }) => command);
    const now = rows.reduce((latest, row) => (row.now > latest ? row.now : latest), '');
    const basis = await decisionBasis(tx, commands, rows);
    const catalogues = await this.#parts.catalogues.at(basis.catalogueNumber, tx);
    const circleOf = (row: SubjectRow) => basis.circles.get(rowId(row.controller, row.subjectKey)) ?? null;
    const subjects = rows.map((row) => ({ ...row, circle: circleOf(row) }));
    const folded = fold(subjects, addressed, basis.answered, {
      ...{ incarnation: basis.incarnation, suppressed: basis.suppressed, now },
      catalogue: catalogues.of,
      newChangeId: () => uuidv7(this.#parts.clock.now()),
    });
    const drafts = draftAnswers(addressed, folded, await standingRecords(tx, addressed, folded));
    return { folded, catalogues, now, basis, drafts };
  }

  #count({ folded, catalogues }: Batch): void {
    const counter = this.#parts.metrics.counter('consent_changes_total');
    for (const { changes, command } of folded.changes) {
      const { purposes } = catalogues.of(command.controller);
      for (const { purpose, to } of changes)
        counter.inc({
          change: to === 'granted' ? 'grant' : 'revoke',
          purpose_class: purposes.get(purpose)?.party ?? 'unknown',
        });
    }
  }

  /** The one statement of REC-1; nothing to write when nothing was decided. */
  async #write(tx: PoolClient, batch: Batch): Promise<string> {
    const { folded, catalogues, now, secrets } = batch;
    const states = await this.#subjectStates(batch);
    const records = await Promise.all(
      folded.changes.map(async (change) => {
        const { controller } = change.command;
        const known = change.forgotten ? null : secrets.known(rowId(controller, change.subjectKey));
        const identifiers = mergeIdentifiers(change.subjectId, known, change.identifiers);
        const catalogue = catalogues.of(controller);
        const event = await changeEvent(change, catalogue, identifiers, this.#parts, now);
        const evidence = { ...evidenceOf(change, catalogue), ...(await sealedEvidence(change, secrets)) };
        return { change, event, evidence };
      }),
    );
    const keys = keysToStore(batch);
    if (states.length === 0 && keys.length === 0) return now;
    const { rows } = await tx.query<{ committedAt: string }>({
      name: 'consent-write',
      text: writeSql,
      values: [
        JSON.stringify(states),
        JSON.stringify(
          records.map(({ change, event, evidence }, position) => ({
            change_id: change.changeId,
            controller: event.controller,
            subject_key: change.subjectKey,
            version: change.version,
            purposes: change.changes.map(({ purpose }) => purpose),
            entry: ledgerEntry(change, event, evidence),
            position,
          })),
        ),
        JSON.stringify(
          records
            .flatMap(({ change, event }) => outboxRecords(change, event))
            .map((record, position) => ({ ...record, position })),
        ),
        JSON.stringify(keys),
        JSON.stringify(await secrets.made()),
      ],
    });
    const [written] = rows;
    if (written === undefined) throw new Error('the write answered nothing');
    return written.committedAt;
  }

  /** The last state of each subject written, with its identifiers when they are new. */
  #subjectStates({ folded, secrets }: Batch): Promise<object[]> {
    return Promise.all(
      [...folded.states].map(async ([id, state]) => {
        const known = state.forgotten ? null : secrets.known(id);
        const tells = (Object.keys(state.identifiers) as (keyof typeof state.identifiers)[]).some(
          (kind) => state.identifiers[kind] !== known?.[kind],
        );
        const isNew = tells || state.forgotten || secrets.lacksOwnKey(id);
        // An erased person's row keeps key and version alone (REC-8).
        const merged = isErased(state) || !isNew ? null : mergeIdentifiers(state.subjectId, known, state.identifiers);
        return {
          controller: state.controller,
          subject_key: state.subjectKey,
          version: state.version,
          vector: state.vector,
          next_expiry: nextExpiry(state.vector),
          erased_at: state.erasedAt,
          forgotten: state.forgotten,
          identifiers_sealed: merged === null ? null : await sealIdentifiers([await secrets.keyOf(state)], merged),
        };
      }),
    );
  }
}

interface Batch {
  readonly rows: readonly SubjectRow[];
  readonly addressed: readonly Addressed[];
  readonly folded: Folded;
  readonly drafts: readonly Recorded[];
  readonly catalogues: Catalogues;
  readonly now: string;
  readonly basis: DecisionBasis;
  readonly secrets: BatchSecrets;
}

/** Request keys used up by this batch, each with its answer. */
function keysToStore({ addressed, folded, drafts }: Batch): object[] {
  return addressed.flatMap(({ command }, at) => {
    const { controller, actor } = command;
    const used = requestKeyOf(command);
    const outcome = folded.outcomes[at];
    const draft = drafts[at];
    if (used?.kind !== 'given' || draft?.kind !== 'recorded') return [];
    if (outcome === undefined || !('usesKey' in outcome) || !outcome.usesKey) return [];
    const { key, fingerprint } = used;
    return [{ controller, client: actor.client, route: actor.route, key, fingerprint, answer: draft.answer }];
  });
}
