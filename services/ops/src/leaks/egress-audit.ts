import { decodeEvent, topics, UndecodableRecord } from '@entente/contracts';
import { tpKey, type EventSource, type InRecord, type Kafka, type TP } from '@entente/kafka';
import type { Logger, Metrics } from '@entente/observability';
import { inTransaction, type Pool } from '@entente/postgres';
import { keepSends } from './replay-sends.ts';

/** What left is judged in hindsight: a fetch so often is enough, milliseconds. */
const gatherMs = 250;

/** What connectors say has left. Read apart from what the tracker reads: a flood of sends delays no withdrawal's picture. */
export class EgressAudit {
  private readonly source: EventSource;

  constructor(
    private readonly pool: Pool,
    kafka: Kafka,
    private readonly log: Logger,
    private readonly metrics: Metrics,
  ) {
    this.source = kafka.source({ gatherMs });
  }

  async start(): Promise<void> {
    this.source.onFatal((err) => this.log.error({ err }, 'what has left cannot be read: the egress audit is blind'));
    await this.source.start({
      groupId: 'entente-ops-sends',
      topics: [topics.sends],
      positions: (tps) => this.positions(tps),
      onRecords: (tp, records) => this.take(tp, records),
    });
  }

  stop(): Promise<void> {
    return this.source.stop(3_000);
  }

  private async positions(tps: readonly TP[]): Promise<Map<string, bigint>> {
    const { rows } = await this.pool.query<{ topic: string; partition: number; next_offset: number }>(
      'SELECT topic, partition, next_offset FROM kafka_offset WHERE topic = ANY ($1)',
      [[...new Set(tps.map(({ topic }) => topic))]],
    );
    return new Map(rows.map((row) => [tpKey(row), BigInt(row.next_offset)]));
  }

  private async take(tp: TP, records: readonly InRecord[]): Promise<void> {
    await inTransaction(this.pool, async (tx) => {
      for (const { headers, value, offset } of records)
        try {
          const event = decodeEvent(headers, value);
          if (event.type === 'org.entente.sharing.sent.v1') await keepSends(tx, event.data);
        } catch (error) {
          if (!(error instanceof UndecodableRecord)) throw error;
          this.log.error({ ...tp, offset: String(offset), reason: error.message }, 'record quarantined');
          await tx.query(
            `INSERT INTO quarantine (topic, partition, log_offset, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
            [tp.topic, tp.partition, String(offset), error.message.slice(0, 500)],
          );
        }
      await tx.query(
        `INSERT INTO kafka_offset (topic, partition, next_offset) VALUES ($1, $2, $3)
         ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`,
        [tp.topic, tp.partition, String(records.at(-1)!.offset + 1n)],
      );
    });
    this.metrics.counter('consent_records_consumed_total').add(records.length, { connector: 'ops' });
  }
}
