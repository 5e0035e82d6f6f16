import { decodeEvent, topics, UndecodableRecord, type CatalogueChanged, type ReceivedEvent } from '@entente/contracts';
import { tpKey, type EventSource, type InRecord, type Kafka, type TP } from '@entente/kafka';
import type { Logger, Metrics } from '@entente/observability';
import { inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { recordChanges, recordOutcome, type SeenChange, type Settled } from './record-changes.ts';
import { keepExposure } from './record-exposures.ts';
import { recordBeats, recordConfirmations, recordSignOff } from './record-gates.ts';

/** What one committed batch taught, for metrics and live pages. */
export interface Learned {
  readonly changes: readonly SeenChange[];
  readonly settled: readonly Settled[];
  /** Keys whose picture may have moved. */
  readonly touched: ReadonlySet<string>;
}

/** Records per transaction: locks are held for tens of milliseconds, not for a whole read-ahead. */
const chunkSize = 200;

/** A fetch returns at least every few hundred milliseconds, even of topics with nothing to say. */
const blindAfterMs = 10_000;

interface Batch {
  changes: SeenChange[];
  settled: Settled[];
  touched: Set<string>;
}

/**
 * Consumes both logs, gates, enforcements and the catalogue into the tracker's tables. Each batch and its offset are one
 * Postgres transaction, so a restart neither skips nor repeats; the order between topics does not matter.
 */
export class Tracker {
  private readonly sources: EventSource[];
  private readonly listeners = new Set<(learned: Learned) => void>();

  constructor(
    private readonly pool: Pool,
    kafka: Kafka,
    private readonly log: Logger,
    private readonly metrics: Metrics,
  ) {
    this.sources = [kafka.source(), kafka.source()];
  }

  /** Called after each commit. */
  onLearned(listener: (learned: Learned) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Two consumers, so that a backlog in the complete log never delays what the express lane shows. */
  async start(): Promise<void> {
    const [express, complete] = this.sources;
    await Promise.all([
      this.startSource(express!, 'entente-ops-express', [topics.revocations, topics.gates, topics.enforcements]),
      this.startSource(complete!, 'entente-ops', [topics.changes, topics.catalogue]),
    ]);
  }

  running(): boolean {
    return this.sources.every((source) => source.state().running);
  }

  /** Whether what this process shows is fresh: its consumers run and the brokers answer them. */
  sees(): boolean {
    return this.sources.every((source) => {
      const { running, msSinceFetch } = source.state();
      return running && msSinceFetch !== null && msSinceFetch < blindAfterMs;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.sources.map((source) => source.stop(3_000)));
  }

  private async startSource(source: EventSource, groupId: string, names: readonly string[]): Promise<void> {
    source.onFatal((err) => this.log.error({ err, groupId }, 'tracker cannot read its topics'));
    await source.start({
      groupId,
      topics: names,
      positions: (tps) => this.positions(tps),
      onRecords: (tp, records) => this.take(tp, records),
    });
  }

  private async positions(tps: readonly TP[]): Promise<Map<string, bigint>> {
    const { rows } = await this.pool.query<{ topic: string; partition: number; next_offset: number }>(
      'SELECT topic, partition, next_offset FROM kafka_offset WHERE topic = ANY ($1)',
      [[...new Set(tps.map(({ topic }) => topic))]],
    );
    return new Map(rows.map((row) => [tpKey(row), BigInt(row.next_offset)]));
  }

  /** Whether this process has read everything in its partitions of the complete log. */
  caughtUp(): boolean {
    return isCaughtUp(this.sources[1]);
  }

  /** The same of every topic: what has not been heard has not been said. */
  upToDate(): boolean {
    return this.sources.every(isCaughtUp);
  }

  private async take(tp: TP, records: readonly InRecord[]): Promise<void> {
    for (let from = 0; from < records.length; from += chunkSize)
      await this.takeChunk(tp, records.slice(from, from + chunkSize));
  }

  private async takeChunk(tp: TP, records: readonly InRecord[]): Promise<void> {
    const batch: Batch = { changes: [], settled: [], touched: new Set() };
    await inTransaction(this.pool, async (tx) => {
      Object.assign(batch, { changes: [], settled: [], touched: new Set() });
      await this.apply(tx, records, batch);
      await tx.query(
        `INSERT INTO kafka_offset (topic, partition, next_offset) VALUES ($1, $2, $3)
         ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`,
        [tp.topic, tp.partition, String(records.at(-1)!.offset + 1n)],
      );
    });
    this.measure(batch, records.length);
    for (const listener of this.listeners) listener(batch);
  }

  private async apply(tx: PoolClient, records: readonly InRecord[], batch: Batch): Promise<void> {
    const seen: SeenChange[] = [];
    const beats: Parameters<typeof recordBeats>[1][number][] = [];
    const events: { record: InRecord; event: ReceivedEvent }[] = [];
    for (const record of records) {
      const event = await this.decode(tx, record);
      if (event) events.push({ record, event });
    }
    await lockSubjects(
      tx,
      events.flatMap(({ event }) => subjectsOf(event)),
    );
    for (const { record, event } of events) {
      switch (event.type) {
        case 'org.entente.consent.changed.v1':
          seen.push({ changeId: event.id, publishedAtMs: record.timestamp, change: event.data });
          batch.touched.add(event.data.subjectKey);
          break;
        case 'org.entente.gate.beat.v1':
          beats.push({ beat: event.data, atMs: record.timestamp });
          break;
        case 'org.entente.gate.confirmed.v1':
          await recordConfirmations(tx, event.data);
          for (const { subjectKey } of event.data.confirmed) batch.touched.add(subjectKey);
          break;
        case 'org.entente.gate.signed-off.v1':
          await recordSignOff(tx, event.data);
          break;
        case 'org.entente.enforcement.recorded.v1':
          batch.settled.push(...(await recordOutcome(tx, event.data)));
          batch.touched.add(event.data.subjectKey);
          break;
        case 'org.entente.sharing.exposed.v1':
          await keepExposure(tx, event.data);
          break;
        case 'org.entente.catalogue.changed.v1':
          await recordRecipients(tx, event.data);
          break;
        case 'org.entente.relay.watermark.v1':
        case 'org.entente.sharing.requested.v1':
          break;
      }
    }
    await recordBeats(tx, beats);
    batch.changes.push(...(await recordChanges(tx, seen)));
  }

  /** A record that cannot be read is kept by its place and passed over: it must not hide the others. */
  private async decode(tx: PoolClient, record: InRecord): Promise<ReceivedEvent | null> {
    try {
      return decodeEvent(record.headers, record.value);
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error;
      await tx.query(
        `INSERT INTO quarantine (topic, partition, log_offset, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
        [record.topic, record.partition, String(record.offset), error.message.slice(0, 500)],
      );
      this.log.error(
        { topic: record.topic, partition: record.partition, offset: String(record.offset), reason: error.message },
        'record quarantined',
      );
      return null;
    }
  }

  private measure(batch: Batch, count: number): void {
    for (const { recipient, canary, propagationMs, acceptDelayMs, confirmedMs } of batch.settled) {
      if (canary) continue;
      const connector = recipient;
      if (propagationMs !== null)
        this.metrics
          .histogram('consent_propagation_seconds')
          .observe(Math.max(0, propagationMs) / 1000, { connector, change: 'revoke', level: 'accepted' });
      if (confirmedMs !== null)
        this.metrics
          .histogram('consent_propagation_seconds')
          .observe(Math.max(0, confirmedMs) / 1000, { connector, change: 'revoke', level: 'confirmed' });
      if (acceptDelayMs !== null)
        this.metrics
          .histogram('consent_partner_accept_delay_seconds')
          .observe(Math.max(0, acceptDelayMs) / 1000, { connector, change: 'revoke' });
    }
    this.metrics.counter('consent_records_consumed_total').add(count, { connector: 'ops' });
  }
}

function isCaughtUp(source: EventSource | undefined): boolean {
  const state = source?.state();
  if (!state?.running || state.msSinceFetch === null) return false;
  // A partition that has had nothing to say since the start has no known end: nothing of it waits to be read.
  return state.partitions.every(({ lag, buffered }) => buffered === 0 && (lag === null || lag === 0n));
}

/** Grants are expected nowhere, so nothing said of them can be missed: a bulk import locks nobody out. */
const subjectsOf = ({ type, data }: ReceivedEvent): string[] => {
  if (type === 'org.entente.consent.changed.v1' && data.direction === 'grant') return [];
  if (type === 'org.entente.gate.confirmed.v1') return data.confirmed.map(({ subjectKey }) => subjectKey);
  return 'subjectKey' in data ? [data.subjectKey] : [];
};

/**
 * A change and what is said of it come on different topics, in transactions that may run side by side: each would look
 * for the other and find nothing. One lock per subject (of a bounded set, taken in order) lets the later one see the
 * earlier.
 */
async function lockSubjects(tx: PoolClient, subjects: readonly string[]): Promise<void> {
  if (subjects.length === 0) return;
  await tx.query(
    `SELECT pg_advisory_xact_lock($2, slot) FROM (
       SELECT DISTINCT (hashtextextended(s, 0) & 1023)::int AS slot FROM unnest($1::text[]) AS s ORDER BY slot) AS slots`,
    [subjects, subjectLocks],
  );
}

/** Advisory lock class of the tracker's subjects. */
const subjectLocks = 7_205_002;

async function recordRecipients(tx: PoolClient, { controller, recipients }: CatalogueChanged): Promise<void> {
  for (const recipient of recipients)
    await tx.query(
      `INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (controller, id) DO UPDATE SET name = excluded.name, kind = excluded.kind, active = excluded.active`,
      [controller, recipient.id, recipient.name, recipient.kind, recipient.active],
    );
}
