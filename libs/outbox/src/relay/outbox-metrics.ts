import type { Logger, Metrics } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { Acknowledged, Settlement } from './settle.ts';
import type { StoredRow } from './rows.ts';

const pendingSql = `
  SELECT (SELECT count(*)::int FROM outbox) AS pending,
         greatest(0, extract(epoch FROM clock_timestamp() - least(
           (SELECT created_at FROM outbox WHERE lane = 0 ORDER BY id LIMIT 1),
           (SELECT created_at FROM outbox WHERE lane = 1 ORDER BY id LIMIT 1))))::float8 AS oldest`;

const pendingUrgentSql = 'SELECT shard, count(*)::int AS waiting FROM outbox WHERE lane = 0 GROUP BY shard';

/** Unpublished urgent rows by shard: imports pause while one of them has more than 500 (REC-6). */
export async function pendingUrgent(pool: Pool): Promise<ReadonlyMap<number, number>> {
  const { rows } = await pool.query<{ shard: number; waiting: number }>(pendingUrgentSql);
  return new Map(rows.map(({ shard, waiting }) => [shard, waiting]));
}

/** The gauges of the table alone, for a process that writes it while a relay elsewhere empties it: that one may be dead. */
export const collectOutbox = (metrics: Metrics, pool: Pool, log: Logger): void =>
  new OutboxMetrics(metrics).collectFrom(pool, log);

/** The outbox's part of the metric catalogue. */
export class OutboxMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    metrics.counter('consent_negative_duration_total').add(0, { stage: 't2-t1' });
  }

  /** Reads the gauges from the table before each scrape. */
  collectFrom(pool: Pool, log: Logger): void {
    this.#metrics.collect(async () => {
      try {
        const { rows } = await pool.query<{ pending: number; oldest: number | null }>(pendingSql);
        this.#metrics.gauge('consent_outbox_pending').set(rows[0]?.pending ?? 0);
        this.#metrics.gauge('consent_outbox_oldest_age_seconds').set(rows[0]?.oldest ?? 0);
      } catch (err) {
        // The other metrics of the scrape say that the database is away; these keep their last value.
        log.warn({ err }, 'outbox gauges not read');
      }
    });
  }

  /** t2 − t1 of every consent change, where the broker tells its append time. */
  published(rows: readonly StoredRow[], { acknowledged }: Settlement): void {
    const appended = new Map(acknowledged.map((ack) => [place(ack), ack.appendedAt]));
    for (const { topic, shard, direction, committedAtMs, traceparent } of rows) {
      const appendedAt = appended.get(place({ topic, partition: shard }));
      if (direction === null || appendedAt === undefined) continue;
      const delayMs = appendedAt - committedAtMs;
      // The broker cuts its time to whole milliseconds: a shorter delay may come out negative without any skew.
      if (delayMs < -1) this.#metrics.counter('consent_negative_duration_total').inc({ stage: 't2-t1' });
      const change = direction === 'deny' ? 'revoke' : 'grant';
      this.#metrics
        .histogram('consent_outbox_publish_delay_seconds')
        .observeIn(traceparent, Math.max(0, delayMs) / 1_000, { change });
    }
  }
}

const place = ({ topic, partition }: Pick<Acknowledged, 'topic' | 'partition'>): string => `${topic}:${partition}`;
