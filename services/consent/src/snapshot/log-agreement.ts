import type { RelayState } from '@entente/outbox';
import type { Pool } from '@entente/postgres';

/** A relay passes several times a second; without one for so long nobody vouches for this database (readiness.ts). */
const passLateMs = 5_000;

/** Null where no relay has ever had this database. */
const sql = `SELECT extract(epoch FROM clock_timestamp() - max(last_pass_at)) * 1000 AS "msSincePass", count(*)::int AS shards FROM relay_shard`;

/**
 * RST-4: whether this database is known to hold all that was answered. A relay that has compared the logs with the ledger makes
 * passes; one that found answers missing makes none. Until then a snapshot would tell of people who are missing, and whoever
 * compares with it would take them for erased. Without passes no gate has a lease, so nobody is kept waiting by this alone.
 */
export class LogAgreement {
  readonly #pool: Pool;
  readonly #relay: () => Pick<RelayState, 'lost' | 'unchecked'> | undefined;

  /** @param relay the state of this process's own relay, if it has one */
  constructor(pool: Pool, relay: () => Pick<RelayState, 'lost' | 'unchecked'> | undefined) {
    this.#pool = pool;
    this.#relay = relay;
  }

  async isKnown(): Promise<boolean> {
    const { lost = [], unchecked = [] } = this.#relay() ?? {};
    if (lost.length + unchecked.length > 0) return false;
    const { rows } = await this.#pool.query<{ msSincePass: string | null; shards: number }>(sql);
    const [row] = rows;
    if (row === undefined || row.shards === 0) return true;
    return row.msSincePass !== null && Number(row.msSincePass) < passLateMs;
  }
}
