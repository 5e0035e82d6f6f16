import { setTimeout as pause } from 'node:timers/promises';
import { topics } from '@entente/contracts';
import { PARTITIONS, PositionPace, tpKey, type EventSource, type InRecord, type Kafka, type TP } from '@entente/kafka';
import { noTracing, systemClock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import { GroupCommit, inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { concernsTracker, heard, learn, quarantine, type Heard, type Learned, type Unreadable } from './learn.ts';
import { LogHorizon } from './log-horizon.ts';
import { trackSpans, untilTracked } from './track-spans.ts';

/** Records per transaction: locks are held for tens of milliseconds, not for a whole read-ahead. */
const chunkSize = 200;

/** A fetch returns at least every few hundred milliseconds, even of topics with nothing to say. */
const blindAfterMs = 10_000;

/** A chunk of one partition. */
interface Chunk {
  readonly tp: TP;
  readonly heard: readonly Heard[];
  readonly unreadable: readonly Unreadable[];
  readonly next: bigint;
}

/** Records of one transaction, of all partitions. */
const recordsAtOnce = PARTITIONS * chunkSize;
/**
 * After a fetch or a transaction of few records the next waits this long, milliseconds, for more to gather: each costs some
 * fifteen statements whatever it holds, and what is measured here is told by the records, not by when they are written down.
 */
const gatherMs = 250;
/** From so many records on, reading is what is behind, and nothing waits. */
const fewRecords = 50;

/**
 * Consumes both logs, gates, enforcements and the catalogue into the tracker's tables. Batches and their offsets are one
 * Postgres transaction, so a restart neither skips nor repeats; the order between topics does not matter (ADR 33).
 */
export class Tracker {
  readonly horizon = new LogHorizon();
  private readonly sources: EventSource[];
  private readonly listeners = new Set<(learned: Learned) => void>();
  private readonly pace = new PositionPace(() => systemClock.monotonic());

  constructor(
    private readonly pool: Pool,
    kafka: Kafka,
    private readonly log: Logger,
    private readonly metrics: Metrics,
    private readonly tracing: Tracing = noTracing,
  ) {
    this.sources = [kafka.source({ gatherMs }), kafka.source({ gatherMs })];
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
    const commits = new GroupCommit<Chunk>(
      recordsAtOnce,
      (chunks) => this.commit(chunks),
      (chunk) => chunk.heard.length,
      (records) => (records < fewRecords ? pause(gatherMs) : Promise.resolve()),
    );
    source.onFatal((err) => this.log.error({ err, groupId }, 'tracker cannot read its topics'));
    await source.start({
      groupId,
      topics: names,
      positions: (tps) => this.positions(tps),
      onRecords: (tp, records) => this.take(commits, tp, records),
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

  private async take(commits: GroupCommit<Chunk>, tp: TP, records: readonly InRecord[]): Promise<void> {
    for (let from = 0; from < records.length; from += chunkSize)
      await this.takeChunk(commits, tp, records.slice(from, from + chunkSize));
  }

  private async takeChunk(commits: GroupCommit<Chunk>, tp: TP, records: readonly InRecord[]): Promise<void> {
    const { heard: read, unreadable } = heard(records);
    const concerning = read.filter(concernsTracker);
    const next = records.at(-1)!.offset + 1n;
    if (concerning.length + unreadable.length > 0 || this.pace.due(tp))
      await commits.add({ tp, heard: concerning, unreadable, next });
    this.horizon.heard(tp, read);
    this.metrics.counter('consent_records_consumed_total').add(records.length, { connector: 'ops' });
  }

  private async commit(chunks: readonly Chunk[]): Promise<void> {
    const unreadable = chunks.flatMap((chunk) => chunk.unreadable);
    const work = async (tx: PoolClient): Promise<Learned> => {
      const learned = await learn(
        tx,
        chunks.flatMap((chunk) => chunk.heard),
      );
      await quarantine(tx, unreadable);
      await storePositions(tx, chunks);
      return learned;
    };
    const records = chunks.flatMap((chunk) => chunk.heard.map(({ record }) => record));
    const learned = await untilTracked(trackSpans(records, this.tracing), inTransaction(this.pool, work));
    for (const { tp } of chunks) this.pace.stored(tp);
    for (const { record, reason } of unreadable)
      this.log.error(
        { topic: record.topic, partition: record.partition, offset: String(record.offset), reason },
        'record quarantined',
      );
    this.measure(learned);
    for (const listener of this.listeners) listener(learned);
  }

  private measure({ settled }: Learned): void {
    for (const { recipient, canary, propagationMs, acceptDelayMs, confirmedMs, traceparent } of settled) {
      if (canary) continue;
      const connector = recipient;
      if (propagationMs !== null)
        this.metrics
          .histogram('consent_propagation_seconds')
          .observeIn(traceparent, Math.max(0, propagationMs) / 1000, {
            connector,
            change: 'revoke',
            level: 'accepted',
          });
      if (confirmedMs !== null)
        this.metrics
          .histogram('consent_propagation_seconds')
          .observeIn(traceparent, Math.max(0, confirmedMs) / 1000, { connector, change: 'revoke', level: 'confirmed' });
      if (acceptDelayMs !== null)
        this.metrics
          .histogram('consent_partner_accept_delay_seconds')
          .observeIn(traceparent, Math.max(0, acceptDelayMs) / 1000, { connector, change: 'revoke' });
    }
  }
}

function isCaughtUp(source: EventSource | undefined): boolean {
  const state = source?.state();
  if (!state?.running || state.msSinceFetch === null) return false;
  // A partition that has had nothing to say since the start has no known end: nothing of it waits to be read.
  return state.partitions.every(({ lag, buffered }) => buffered === 0 && (lag === null || lag === 0n));
}

async function storePositions(tx: PoolClient, chunks: readonly Chunk[]): Promise<void> {
  await tx.query(
    `INSERT INTO kafka_offset (topic, partition, next_offset)
     SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS n(topic, partition, next) ORDER BY topic, partition
     ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`,
    [chunks.map(({ tp }) => tp.topic), chunks.map(({ tp }) => tp.partition), chunks.map(({ next }) => String(next))],
  );
}
