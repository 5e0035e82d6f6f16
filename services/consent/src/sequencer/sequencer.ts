import type { Logger } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import { Rounds } from '../rounds.ts';
import { linksAfter, noHead } from './chain.ts';
import type { ChainHead } from './chain.ts';

/** REC-5: numbers are given at most this long after the commit, in milliseconds, while the sequencer runs. */
const pauseMs = 100;
const batchSize = 2_000;

/** Only one sequencer of all instances numbers at a time; the others find the lock taken and come back. */
const lockSql = `SELECT pg_try_advisory_xact_lock(hashtextextended('entente.sequencer', 0)) AS mine`;

/** Between changes one look is all that a round costs; a transaction would be four statements. */
const waitingSql = `SELECT 1 FROM ledger_pending ORDER BY entry_id LIMIT 1`;

const headSql = `SELECT number, hash FROM ledger_chain ORDER BY number DESC LIMIT 1`;

/**
 * Entries of one subject are queued in the order of their versions, because the subject was locked first; any other order
 * is as good as the next. The commitment is that of `commitmentTo`: to the entry's text as stored, in UTF-8, and its salt.
 */
const pendingSql = `
  SELECT p.entry_id::text AS "entryId", sha256(COALESCE('\\x01' || e.salt, '') || convert_to(e.entry, 'UTF8')) AS commitment
    FROM ledger_pending p JOIN ledger_entry e ON e.id = p.entry_id
   ORDER BY p.entry_id LIMIT ${batchSize}`;

const appendSql = `
  WITH link AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) AS l(number, entry_id, commitment, hash)
  ), done AS (DELETE FROM ledger_pending p USING link WHERE p.entry_id = link.entry_id)
  INSERT INTO ledger_chain (number, entry_id, commitment, hash)
  SELECT number, entry_id, commitment, hash FROM link ORDER BY number`;

/** REC-5: numbers, chains and hashes what was committed, in the background and never under a lock of the write path. */
export class Sequencer {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #rounds = new Rounds(pauseMs, () => this.#round());

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  async #round(): Promise<void> {
    try {
      if ((await this.#pool.query({ name: 'sequencer-waiting', text: waitingSql })).rowCount === 0) return;
      while (!this.#rounds.stopped && (await this.numberPending()) === batchSize);
    } catch (err) {
      this.#log.warn({ err }, 'ledger numbering failed, it is tried again');
    }
  }

  /** One batch. @returns how many entries got a number; 0 also when another instance is at it. */
  numberPending(): Promise<number> {
    return inTransaction(this.#pool, async (tx) => {
      const { rows } = await tx.query<{ mine: boolean }>(lockSql);
      if (rows[0]?.mine !== true) return 0;
      const { rows: pending } = await tx.query<{ entryId: string; commitment: Buffer }>(pendingSql);
      if (pending.length === 0) return 0;
      const links = linksAfter(await chainHead(tx), pending);
      await tx.query(appendSql, [
        links.map(({ number }) => number),
        links.map(({ entryId }) => entryId),
        links.map(({ commitment }) => commitment),
        links.map(({ hash }) => hash),
      ]);
      return links.length;
    });
  }
}

/** Number and hash of the newest link. */
export async function chainHead(connection: Pick<PoolClient, 'query'>): Promise<ChainHead> {
  const { rows } = await connection.query<ChainHead>(headSql);
  return rows[0] ?? noHead;
}
