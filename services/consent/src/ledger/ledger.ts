import { openIdentifiersOrNull } from '../identifiers/open-stored.ts';
import { mergeIdentifiers, sealIdentifiers } from '../identifiers/subject-identifiers.ts';
import type { AudienceKeys } from '../identifiers/subject-identifiers.ts';
import type { CatalogueCache, Catalogues } from '../catalogue/catalogue-store.ts';
import type { KeyRing, RawIdentifiers } from '@entente/contracts';
import { uuidv7 } from '@entente/contracts';
import type { Clock, Logger, Metrics } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import type { Recorded } from './answer.ts';
import { addressedCommands, decisionBasis, dropUnused, lockSubjects, standingRecords } from './batch-reads.ts';
import type { SubjectRow } from './batch-reads.ts';
import { changeEvent, ledgerEntry, outboxRecords } from './change-records.ts';
import type { Command } from './command.ts';
import { fold, rowId } from './fold.ts';
import type { Addressed, Folded } from './fold.ts';
import type { IncarnationCheck } from './incarnation.ts';
import { writeSql } from './ledger-sql.ts';
import { draftAnswers, stamped } from './outcomes.ts';

export interface LedgerParts {
  readonly catalogues: CatalogueCache;
  readonly incarnation: IncarnationCheck;
  readonly identifierKeys: KeyRing;
  readonly audienceKeys: AudienceKeys;
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

  async #recordIn(tx: PoolClient, commands: readonly Command[]): Promise<{ answers: Recorded[]; batch: Batch }> {
    const addressed = await addressedCommands(tx, commands);
    const rows = await lockSubjects(tx, addressed);
    const now = rows.reduce((latest, row) => (row.now > latest ? row.now : latest), '');
    const basis = await decisionBasis(tx, commands);
    const catalogues = await this.#parts.catalogues.at(basis.catalogueNumber, tx);
    const folded = fold(rows, addressed, basis.answered, {
      incarnation: basis.incarnation,
      now,
      catalogue: catalogues.of,
      newChangeId: () => uuidv7(this.#parts.clock.now()),
    });
    await dropUnused(tx, rows, folded.changes);
    const drafts = draftAnswers(addressed, folded, await standingRecords(tx, addressed, folded));
    const batch = { rows, folded, catalogues, now, addressed, drafts };
    const committedAt = await this.#write(tx, batch);
    return { answers: drafts.map((draft) => stamped(draft, committedAt)), batch };
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
    const { folded, catalogues, now } = batch;
    const known = await this.#identifiersOf(batch);
    const records = await Promise.all(
      folded.changes.map(async (change) => {
        const { controller } = change.command;
        const held = known.get(rowId(controller, change.subjectKey));
        const identifiers = mergeIdentifiers(change.command.subjectId, held ?? null, change.identifiers);
        const event = await changeEvent(change, catalogues.of(controller), identifiers, this.#parts, now);
        return { change, event, identifiers };
      }),
    );
    const keys = keysToStore(batch);
    const states = await this.#subjectStates(batch, known);
    if (states.length === 0 && keys.length === 0) return now;
    const { rows } = await tx.query<{ committedAt: string }>({
      name: 'consent-write',
      text: writeSql,
      values: [
        JSON.stringify(states),
        JSON.stringify(
          records.map(({ change, event }, position) => ({
            change_id: change.changeId,
            controller: event.controller,
            subject_key: change.subjectKey,
            version: change.version,
            purposes: change.changes.map(({ purpose }) => purpose),
            entry: ledgerEntry(change, event),
            position,
          })),
        ),
        JSON.stringify(
          records
            .flatMap(({ change, event }) => outboxRecords(change, event))
            .map((record, position) => ({ ...record, position })),
        ),
        JSON.stringify(keys),
      ],
    });
    const [written] = rows;
    if (written === undefined) throw new Error('the write answered nothing');
    return written.committedAt;
  }

  /** Identifiers as stored, of every subject written. A text that cannot be opened never stops a denial. */
  async #identifiersOf({ rows, folded }: Batch): Promise<Map<string, RawIdentifiers>> {
    const known = new Map<string, RawIdentifiers>();
    await Promise.all(
      rows.map(async ({ controller, subjectKey, identifiersSealed }) => {
        const id = rowId(controller, subjectKey);
        if (!folded.states.has(id) || identifiersSealed === null) return;
        const opened = await openIdentifiersOrNull(this.#parts.identifierKeys, identifiersSealed, (err) =>
          this.#parts.log.error({ err, controller, subjectKey }, 'stored identifiers cannot be opened'),
        );
        if (opened !== null) known.set(id, opened);
      }),
    );
    return known;
  }

  /** The last state of each subject written, with its identifiers when they are new. */
  #subjectStates({ rows, folded }: Batch, known: ReadonlyMap<string, RawIdentifiers>): Promise<object[]> {
    const stored = new Map(rows.map((row) => [rowId(row.controller, row.subjectKey), row.identifiersSealed]));
    return Promise.all(
      [...folded.states].map(async ([id, state]) => {
        const isNew = Object.keys(state.identifiers).length > 0 || stored.get(id) === null;
        const merged = mergeIdentifiers(state.subjectId, known.get(id) ?? null, state.identifiers);
        return {
          controller: state.controller,
          subject_key: state.subjectKey,
          version: state.version,
          vector: state.vector,
          identifiers_sealed: isNew ? await sealIdentifiers(this.#parts.identifierKeys, merged) : null,
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
}

/** Request keys used up by this batch, each with its answer. */
function keysToStore({ addressed, folded, drafts }: Batch): object[] {
  return addressed.flatMap(({ command: { controller, actor, grant } }, at) => {
    const outcome = folded.outcomes[at];
    const draft = drafts[at];
    if (grant?.key.kind !== 'given' || draft?.kind !== 'recorded') return [];
    if (outcome === undefined || !('usesKey' in outcome) || !outcome.usesKey) return [];
    const { key, fingerprint } = grant.key;
    return [{ controller, client: actor.client, route: actor.route, key, fingerprint, answer: draft.answer }];
  });
}
