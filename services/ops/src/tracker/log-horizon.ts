import { topics } from '@entente/contracts';
import type { TP } from '@entente/kafka';
import type { Pool } from '@entente/postgres';
import type { Heard } from './learn.ts';

/**
 * Up to when the withdrawals are known (ADR 32). A watermark proves that every denial answered before its pass began stands
 * before it in its partition; once those are committed here, nothing older can be missing. Without this a dead relay, a
 * broker that is away or another instance that is stuck would look like peace.
 */
export class LogHorizon {
  readonly #untilMs = new Map<number, number>();
  #stored = 0;

  /** To be called once everything before and in these records is committed. */
  heard({ topic, partition }: TP, records: readonly Heard[]): void {
    if (topic !== topics.revocations) return;
    for (const { event } of records) {
      if (event.type !== 'org.entente.relay.watermark.v1') continue;
      const passMs = Date.parse(event.data.passTime);
      if (passMs > (this.#untilMs.get(partition) ?? 0)) this.#untilMs.set(partition, passMs);
    }
  }

  /** Shared by all instances: each reads some of the partitions. It never goes back, and need not wait for the disk. */
  async store(pool: Pool): Promise<void> {
    const known = [...this.#untilMs].sort(([a], [b]) => a - b);
    const newest = Math.max(0, ...known.map(([, untilMs]) => untilMs));
    if (newest <= this.#stored) return;
    await pool.query(
      `INSERT INTO log_horizon AS h (partition, known_until)
       SELECT partition, to_timestamp(until_ms / 1000.0)
         FROM unnest($1::smallint[], $2::float8[]) AS k(partition, until_ms),
              (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried
        ORDER BY partition
       ON CONFLICT (partition) DO UPDATE SET known_until = excluded.known_until WHERE h.known_until < excluded.known_until`,
      [known.map(([partition]) => partition), known.map(([, untilMs]) => untilMs)],
    );
    this.#stored = newest;
  }
}
