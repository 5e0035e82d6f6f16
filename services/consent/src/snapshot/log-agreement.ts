import type { RelayState } from '@entente/outbox';
import type { Pool } from '@entente/postgres';

/** A relay passes several times a second; without one for so long nobody vouches for this database (readiness.ts). */
const passLateMs = 5_000;

/** Of the shard that was passed over longest; nothing where no relay has ever had this database. */
const sql = `
  SELECT CASE WHEN bool_and(last_pass_at IS NOT NULL) THEN extract(epoch FROM clock_timestamp() - min(last_pass_at)) * 1000 END
           AS "msSincePass", count(*)::int AS shards FROM relay_shard`;

/**
 * RST-4: whether this database is known to hold all that was answered. A relay that has compared a shard's logs with the ledger
 * passes over that shard; while it finds answers missing there it does not, whichever process it is in. Until then a snapshot would tell of people who are missing, and whoever
 * compares with it would take them for erased. Without passes no gate has a lease, so nobody is kept waiting by this alone.
 */
export class LogAgreement {
  readonly #pool: Pool;
  readonly #relay: () => Pick<RelayState, 'connected' | 'lost' | 'unchecked'> | undefined;

  /** @param relay the state of this process's own relay, if it has one */
  constructor(pool: Pool, relay: () => Pick<RelayState, 'connected' | 'lost' | 'unchecked'> | undefined) {
    this.#pool = pool;
    this.#relay = relay;
  }

  async isKnown(): Promise<boolean> {
    const relay = this.#relay();
    if (relay !== undefined && (!relay.connected || relay.lost.length + relay.unchecked.length > 0)) return false;
    const { rows } = await this.#pool.query<{ msSincePass: string | null; shards: number }>(sql);
    const [row] = rows;
    if (row === undefined || row.shards === 0) return true;
    return row.msSincePass !== null && Number(row.msSincePass) < passLateMs;
  }
}
