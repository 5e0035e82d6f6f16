import {
  allowedPurposes,
  type Audience,
  type Catalogue,
  type ConsentChanged,
  type ControllerId,
  type RecipientId,
  type SubjectKey,
} from '@entente/contracts';
import { PositionPace, type InRecord, type TP } from '@entente/kafka';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { noTracing, type Clock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import { onChanged, onUndecodable, type Enforcement, type RecipientFacts } from '../delivery-step/delivery-step.ts';
import { recordEnforcements, type RecordedEnforcement } from '../store/enforcement-outbox.ts';
import { catalogueForShare } from '../store/catalogue-store.ts';
import { newDelivery } from '../delivery-step/delivery.ts';
import { isErasure } from '../delivery-step/erasure.ts';
import {
  addMissing,
  databaseNow,
  lockRows,
  writeGrants,
  writeRows,
  type DeliveryRow,
  type RowKey,
} from '../store/delivery-rows.ts';
import { storePosition } from '../store/log-positions.ts';
import { quarantine } from '../store/quarantine.ts';
import { measureArrival } from './arrival.ts';
import { decodeChanges, type DecodedBatch } from './decode-batch.ts';
import { receiveSpans, type ReceiveSpans } from './receive-spans.ts';

/** Events per transaction: locks are held for tens of milliseconds, not for a whole read-ahead. */
const chunkSize = 200;

export interface ChangeReceiverOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly audience: Audience;
  readonly recipients: readonly RecipientId[];
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly tracing?: Tracing;
  /** This host's clock brought to the database's, milliseconds. */
  readonly databaseTime: () => number;
  /** Resolves when the stored catalogue has this number, or when waiting longer would delay a deny. */
  readonly catalogueAtLeast: (number: number) => Promise<void>;
  /** Half the measured error of database time is unknown to a transaction that reads it directly: 0. */
  readonly wake: (recipients: readonly RecipientId[]) => void;
}

/** What the runtime must know of a recipient by the catalogue; one that is not in it holds nothing and gets nothing. */
export const factsOf = (catalogue: Catalogue, recipient: RecipientId): RecipientFacts => ({
  purposes: [...(catalogue.recipients.get(recipient)?.purposes ?? [])].sort(),
  preloaded: catalogue.recipients.get(recipient)?.preloaded ?? false,
});

/**
 * DLV-1: turns records of either log into desired-state rows. It decodes, upserts and stores its position, all in one
 * transaction; a partner's slowness never reaches it.
 */
export class ChangeReceiver {
  readonly #options: ChangeReceiverOptions;
  readonly #pace: PositionPace;

  constructor(options: ChangeReceiverOptions) {
    this.#options = options;
    this.#pace = new PositionPace(() => options.clock.monotonic());
  }

  async receive(tp: TP, records: readonly InRecord[]): Promise<void> {
    const { controller, databaseTime, log, metrics, recipients, tracing = noTracing } = this.#options;
    const enteredAt = databaseTime();
    for (let from = 0; from < records.length; from += chunkSize) {
      const chunk = records.slice(from, from + chunkSize);
      const batch = decodeChanges(chunk, controller);
      for (const { record, reason } of batch.unreadable)
        log.error(
          { topic: tp.topic, partition: tp.partition, offset: record.offset.toString(), reason },
          'record quarantined',
        );
      const newestCatalogue = Math.max(0, ...batch.changes.map(({ catalogue }) => catalogue));
      if (newestCatalogue > 0) await this.#options.catalogueAtLeast(newestCatalogue);
      const last = chunk.at(-1);
      if (last !== undefined) await this.#apply(tp, batch, last.offset + 1n, receiveSpans(tp, batch, tracing));
      measureArrival(tp, batch, enteredAt, recipients, metrics);
    }
    for (const recipient of recipients)
      metrics.counter('consent_records_consumed_total').add(records.length, { connector: recipient });
  }

  async #apply(tp: TP, batch: DecodedBatch, next: bigint, spans: ReceiveSpans): Promise<void> {
    const { pool, log, recipients } = this.#options;
    const concerns = batch.changes.length + batch.unreadable.length > 0;
    if (!concerns && !this.#pace.due(tp)) return;
    const stored = inTransaction(pool, async (tx) => {
      const rows = batch.changes.length + batch.closed.length > 0 ? await this.#upsert(tx, batch, spans) : [];
      await quarantine(tx, batch.unreadable);
      await storePosition(tx, tp, next);
      return rows;
    });
    const touched = await spans.until(stored);
    this.#pace.stored(tp);
    if (touched.some(({ enforcements }) => enforcements.length > 0)) notifyOutbox(pool, log);
    if (touched.some(({ row }) => row.state === 'due')) this.#options.wake(recipients);
  }

  async #upsert(tx: PoolClient, batch: DecodedBatch, spans: ReceiveSpans): Promise<Upserted[]> {
    const { controller, recipients } = this.#options;
    const catalogue = await catalogueForShare(tx, controller);
    if (catalogue === null) throw new Error('no catalogue is stored yet');
    const bySubject = Map.groupBy(batch.changes, ({ subjectKey }) => subjectKey);
    const closed = new Set(batch.closed);
    const granted = await this.#writePlainGrants(tx, bySubject, closed, catalogue);
    const subjects = [...new Set([...bySubject.keys(), ...batch.closed])];
    const keys = recipients.flatMap((recipient) =>
      subjects
        .map((subjectKey): RowKey => ({ recipient, subjectKey }))
        .filter(({ subjectKey }) => !granted.get(recipient)?.has(subjectKey)),
    );
    if (keys.length === 0) return [];
    await addMissing(tx, controller, keys);
    const before = await lockRows(tx, controller, keys);
    const now = await databaseNow(tx);
    const upserted = before.map((row) =>
      this.#folded(row, bySubject.get(row.subjectKey) ?? [], closed.has(row.subjectKey), catalogue, now, spans),
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
    catalogue: Catalogue,
  ): Promise<ReadonlyMap<RecipientId, ReadonlySet<SubjectKey>>> {
    const plain = [...bySubject].filter(
      ([subjectKey, changes]) => changes.length === 1 && changes[0]?.direction === 'grant' && !closed.has(subjectKey),
    );
    // Beside other events all rows are locked in one order (`inLockOrder`): the other lane may hold the same persons.
    if (plain.length < bySubject.size || closed.size > 0) return new Map();
    const now = await databaseNow(tx);
    const written = await writeGrants(
      tx,
      this.#options.controller,
      this.#options.recipients.flatMap((recipient) =>
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
          return this.#folded(empty, changes, false, catalogue, now).row;
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
    catalogue: Catalogue,
    now: number,
    spans?: ReceiveSpans,
  ): Upserted {
    const facts = factsOf(catalogue, before.recipient);
    const enforcements: Upserted['enforcements'][number][] = [];
    let row = before;
    if (closed) row = { ...row, ...onUndecodable(row).delivery };
    for (const change of changes) {
      if (change.version <= row.version) continue;
      const stepped = onChanged(
        row,
        {
          version: change.version,
          direction: change.direction,
          vector: change.vector,
          erasure: isErasure(change),
          concerned: change.recipients.includes(row.recipient),
          desired: allowedPurposes(change.vector, catalogue, row.recipient, now),
          catalogue: catalogue.number,
          now,
        },
        facts,
      );
      const traceparent = spans?.of(change) ?? null;
      const startsRevocation = stepped.delivery.revokeVersion !== row.revokeVersion;
      row = {
        ...row,
        ...stepped.delivery,
        eventSealed: change.sealed[this.#options.audience] ?? row.eventSealed,
        committedAt: startsRevocation ? change.committedAt : row.committedAt,
        traceparent: startsRevocation ? traceparent : row.traceparent,
      };
      enforcements.push(...stepped.enforcements.map((enforcement) => ({ ...enforcement, traceparent })));
    }
    return { row, enforcements, changed: row !== before };
  }
}

interface Upserted {
  readonly row: DeliveryRow;
  readonly enforcements: readonly (Enforcement & Pick<DeliveryRow, 'traceparent'>)[];
  readonly changed: boolean;
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
