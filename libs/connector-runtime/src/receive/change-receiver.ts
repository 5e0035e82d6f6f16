import { topics, type Audience, type ConsentChanged, type ControllerId, type RecipientId } from '@entente/contracts';
import { PositionPace, type InRecord, type TP } from '@entente/kafka';
import { notifyOutbox } from '@entente/outbox';
import { GroupCommit, inTransaction, type Pool } from '@entente/postgres';
import { noTracing, type Clock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import { storePositions, type Position } from '../store/log-positions.ts';
import { quarantine } from '../store/quarantine.ts';
import { measureArrival } from './arrival.ts';
import { decodeChanges, type DecodedBatch } from './decode-batch.ts';
import { DeliveryUpsert } from './delivery-upsert.ts';
import { HeardDenials } from './heard-denials.ts';
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

/** A chunk of the complete log with more changes than this is of a backlog. */
const liveChunk = 20;

/** Records of one partition that are stored together. */
interface Chunk extends Position {
  readonly batch: DecodedBatch;
  readonly spans: ReceiveSpans;
}

/**
 * DLV-1: turns records of either log into desired-state rows. It decodes, upserts and stores its position, all in one
 * transaction; a partner's slowness never reaches it.
 *
 * Denials of all partitions and of both logs share a transaction when they come at once: their two copies (REC-6) would
 * otherwise wait for each other's rows. Grants alone go by themselves, and so does what is read of the complete log in bulk, so
 * that a backlog is never what a denial waits for.
 */
export class ChangeReceiver {
  readonly #options: ChangeReceiverOptions;
  readonly #pace: PositionPace;
  readonly #heard: HeardDenials;
  readonly #upsert: DeliveryUpsert;
  readonly #denials: GroupCommit<Chunk>;

  constructor(options: ChangeReceiverOptions) {
    this.#options = options;
    this.#pace = new PositionPace(() => options.clock.monotonic());
    this.#heard = new HeardDenials(() => options.clock.monotonic());
    this.#upsert = new DeliveryUpsert(options);
    this.#denials = new GroupCommit(
      chunkSize,
      (chunks) => this.#commit(chunks),
      ({ batch }) => batch.changes.length,
    );
  }

  async receive(tp: TP, records: readonly InRecord[]): Promise<void> {
    const { controller, databaseTime, log, metrics, recipients, tracing = noTracing } = this.#options;
    const enteredAt = databaseTime();
    for (let from = 0; from < records.length; from += chunkSize) {
      const part = records.slice(from, from + chunkSize);
      const batch = decodeChanges(part, controller);
      for (const { record, reason } of batch.unreadable)
        log.error(
          { topic: tp.topic, partition: tp.partition, offset: record.offset.toString(), reason },
          'record quarantined',
        );
      const newestCatalogue = Math.max(0, ...batch.changes.map(({ catalogue }) => catalogue));
      if (newestCatalogue > 0) await this.#options.catalogueAtLeast(newestCatalogue);
      const last = part.at(-1);
      if (last !== undefined) await this.#store(tp, batch, last.offset + 1n, receiveSpans(tp, batch, tracing));
      measureArrival(tp, batch, enteredAt, recipients, metrics);
    }
    for (const recipient of recipients)
      metrics.counter('consent_records_consumed_total').add(records.length, { connector: recipient });
  }

  /** The database may have lost what was stored (RST-3): it is told again by whatever comes. */
  forget(): void {
    this.#heard.forget();
  }

  #store(tp: TP, batch: DecodedBatch, next: bigint, spans: ReceiveSpans): Promise<void> {
    const chunk = { tp, batch, next, spans };
    const denies = batch.closed.length > 0 || batch.changes.some(({ direction }) => direction === 'deny');
    const isLive = tp.topic === topics.revocations || batch.changes.length <= liveChunk;
    return spans.until(denies && isLive ? this.#denials.add(chunk) : this.#commit([chunk]));
  }

  async #commit(chunks: readonly Chunk[]): Promise<void> {
    const { pool, log, recipients } = this.#options;
    const changes = chunks.flatMap(({ batch }) => batch.changes.filter((change) => !this.#heard.has(change)));
    const unreadable = chunks.flatMap(({ batch }) => batch.unreadable);
    const closed = chunks.flatMap((chunk) => chunk.batch.closed);
    const concerns = changes.length + unreadable.length > 0;
    if (!concerns && !chunks.some(({ tp }) => this.#pace.due(tp))) return;
    const traces = new Map(
      chunks.flatMap(({ batch, spans }) => batch.changes.map((change) => [change, spans] as const)),
    );
    const traceparentOf = (change: ConsentChanged): string | null => traces.get(change)?.of(change) ?? null;
    const stored = inTransaction(pool, async (tx) => {
      const said = { changes, closed, traceparentOf };
      const rows = changes.length + closed.length > 0 ? await this.#upsert.into(tx, said) : [];
      await quarantine(tx, unreadable);
      await storePositions(tx, chunks);
      return rows;
    });
    const touched = await this.#heard.onlyIf(stored);
    this.#heard.add(changes);
    for (const { tp } of chunks) this.#pace.stored(tp);
    if (touched.some(({ enforcements }) => enforcements.length > 0)) notifyOutbox(pool, log, ['normal']);
    if (touched.some(({ row }) => row.state === 'due')) this.#options.wake(recipients);
  }
}
