import {
  allowedPurposes,
  type Audience,
  type Catalogue,
  type ConsentChanged,
  type ControllerId,
  type RecipientId,
  type SubjectKey,
} from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';
import { newDelivery } from '../delivery-step/delivery.ts';
import { onChanged, onUndecodable, type Enforcement, type RecipientFacts } from '../delivery-step/delivery-step.ts';
import { isErasure } from '../delivery-step/erasure.ts';
import { doubtWiped, mayHideDenial, tellUnheard } from '../delivery-step/unheard.ts';
import { catalogueForShare, type HeldCatalogue } from '../store/catalogue-store.ts';
import {
  databaseNow,
  takeRows,
  writeGrants,
  writeRows,
  type DeliveryRow,
  type RowKey,
} from '../store/delivery-rows.ts';
import { recordEnforcements, type RecordedEnforcement } from '../store/enforcement-outbox.ts';

/** What the runtime must know of a recipient by the catalogue; one that is not in it holds nothing and gets nothing. */
export const factsOf = (catalogue: Catalogue, recipient: RecipientId): RecipientFacts => ({
  purposes: [...(catalogue.recipients.get(recipient)?.purposes ?? [])].sort(),
  preloaded: catalogue.recipients.get(recipient)?.preloaded ?? false,
});

/** What was said, by whatever partitions and lanes it came. */
export interface Said {
  /** Per person in the order of a log. */
  readonly changes: readonly ConsentChanged[];
  /** Persons of whom something was said that nobody can read. */
  readonly closed: readonly SubjectKey[];
  readonly traceparentOf: (change: ConsentChanged) => string | null;
}

export interface Upserted {
  readonly row: DeliveryRow;
  readonly enforcements: readonly (Enforcement & Pick<DeliveryRow, 'traceparent'>)[];
  readonly changed: boolean;
}

export interface Concerned {
  readonly controller: ControllerId;
  readonly audience: Audience;
  readonly recipients: readonly RecipientId[];
}

/** DLV-1: desired-state rows as these changes leave them, and what is said of them at once. */
export class DeliveryUpsert {
  readonly #concerned: Concerned;

  constructor(concerned: Concerned) {
    this.#concerned = concerned;
  }

  /** In the caller's transaction. */
  async into(tx: PoolClient, said: Said): Promise<readonly Upserted[]> {
    const { controller, recipients } = this.#concerned;
    const catalogue = await catalogueForShare(tx, controller);
    if (catalogue === null) throw new Error('no catalogue is stored yet');
    const bySubject = Map.groupBy(said.changes, ({ subjectKey }) => subjectKey);
    const closed = new Set(said.closed);
    const granted = await this.#writePlainGrants(tx, bySubject, closed, catalogue);
    const subjects = [...new Set([...bySubject.keys(), ...said.closed])];
    const keys = recipients.flatMap((recipient) =>
      subjects
        .map((subjectKey): RowKey => ({ recipient, subjectKey }))
        .filter(({ subjectKey }) => !granted.get(recipient)?.has(subjectKey)),
    );
    if (keys.length === 0) return [];
    const { rows: before, now } = await takeRows(tx, controller, keys);
    const fold = { catalogue, now, traceparentOf: said.traceparentOf };
    const upserted = before.map((row) =>
      this.#folded(row, bySubject.get(row.subjectKey) ?? [], closed.has(row.subjectKey), fold),
    );
    await writeRows(
      tx,
      controller,
      upserted.filter(({ changed }) => changed).map(({ row }) => row),
    );
    await recordEnforcements(
      tx,
      controller,
      upserted.flatMap(({ row, enforcements }) =>
        enforcements.map(({ traceparent, ...e }) => ({ ...told(row, e, now), traceparent })),
      ),
    );
    return upserted;
  }

  /** A batch of nothing but single grants, as rows take them from which nothing is taken. */
  async #writePlainGrants(
    tx: PoolClient,
    bySubject: ReadonlyMap<SubjectKey, readonly ConsentChanged[]>,
    closed: ReadonlySet<SubjectKey>,
    catalogue: HeldCatalogue,
  ): Promise<ReadonlyMap<RecipientId, ReadonlySet<SubjectKey>>> {
    const plain = [...bySubject].filter(
      ([subjectKey, changes]) => changes.length === 1 && changes[0]?.direction === 'grant' && !closed.has(subjectKey),
    );
    // Beside other events all rows are locked in one order (`inLockOrder`): the other lane may hold the same persons.
    if (plain.length < bySubject.size || closed.size > 0) return new Map();
    // What a row knew before must be seen (`tellUnheard`).
    if (catalogue.comparisonOwed) return new Map();
    const now = await databaseNow(tx);
    const written = await writeGrants(
      tx,
      this.#concerned.controller,
      this.#concerned.recipients.flatMap((recipient) =>
        plain.map(([subjectKey, changes]) => {
          const empty = {
            ...newDelivery,
            recipient,
            subjectKey,
            eventSealed: null,
            inFlightOwner: null,
            committedAt: null,
            traceparent: null,
          };
          return this.#folded(empty, changes, false, { catalogue, now, traceparentOf: () => null }).row;
        }),
      ),
    );
    return new Map(
      [...Map.groupBy(written, ({ recipient }) => recipient)].map(([recipient, keys]) => [
        recipient,
        new Set(keys.map(({ subjectKey }) => subjectKey)),
      ]),
    );
  }

  /** All events about one row, in the order of the log, through the rules. */
  #folded(
    before: DeliveryRow,
    changes: readonly ConsentChanged[],
    closed: boolean,
    {
      catalogue,
      now,
      traceparentOf,
    }: Pick<Said, 'traceparentOf'> & { readonly catalogue: HeldCatalogue; readonly now: number },
  ): Upserted {
    const facts = factsOf(catalogue, before.recipient);
    const enforcements: Upserted['enforcements'][number][] = [];
    let row = before;
    if (closed) row = { ...row, ...onUndecodable(row).delivery };
    for (const change of changes) {
      if (change.version <= row.version) continue;
      if (catalogue.restoredAt !== null) row = doubtWiped(row, change.version);
      const desired = allowedPurposes(change.vector, catalogue, row.recipient, now);
      // This process has read on past what its rows have lost: nobody hands the versions between again.
      const unheard = catalogue.comparisonOwed && change.version !== row.version + 1;
      const hides = unheard && mayHideDenial(row, { vector: change.vector, desired }, facts);
      const changed = onChanged(
        row,
        {
          version: change.version,
          direction: hides ? 'deny' : change.direction,
          vector: change.vector,
          erasure: isErasure(change),
          concerned: hides || change.recipients.includes(row.recipient),
          desired,
          catalogue: catalogue.number,
          behind: change.catalogue > catalogue.number,
          now,
        },
        facts,
      );
      const stepped = unheard ? tellUnheard(row, changed) : changed;
      const traceparent = traceparentOf(change);
      const startsRevocation = stepped.delivery.revokeVersion !== row.revokeVersion;
      row = {
        ...row,
        ...stepped.delivery,
        eventSealed: change.sealed[this.#concerned.audience] ?? row.eventSealed,
        committedAt: startsRevocation ? change.committedAt : row.committedAt,
        traceparent: startsRevocation ? traceparent : row.traceparent,
      };
      enforcements.push(...stepped.enforcements.map((enforcement) => ({ ...enforcement, traceparent })));
    }
    return { row, enforcements, changed: row !== before };
  }
}

/** Both times are the database's own, read in this transaction: no clock error. */
export const told = (row: DeliveryRow, enforcement: Enforcement, at: number): RecordedEnforcement => ({
  ...enforcement,
  recipient: row.recipient,
  subjectKey: row.subjectKey,
  consumedAt: row.consumedAt,
  traceparent: row.traceparent,
  at,
  clockErrorMs: 0,
});
