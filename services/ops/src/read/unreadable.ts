import { topics } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

export interface UnreadableRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly reason: string;
  /** When it was read. */
  readonly at: string;
}

export interface UnreadableView {
  readonly at: string;
  readonly records: readonly UnreadableRecord[];
  readonly countedUpTo: number;
}

/** Any record of these may hide a withdrawal. */
const consentLogs: readonly string[] = [topics.revocations, topics.changes];
const countedUpTo = 100;

/** Records of the consent logs that nobody could read and nobody has looked into, counted up to a hundred. */
export async function unreadableRecords(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       SELECT FROM quarantine WHERE topic = ANY ($1) AND dismissed_at IS NULL LIMIT $2) AS first`,
    [consentLogs, countedUpTo],
  );
  return rows[0]?.count ?? 0;
}

/** The same, oldest first, the hundred that are counted. */
export async function unreadableList(pool: Pool, nowMs: number): Promise<UnreadableView> {
  const { rows } = await pool.query<Omit<UnreadableRecord, 'at'> & { at: Date }>(
    `SELECT topic, partition, log_offset::text AS offset, reason, at FROM quarantine
      WHERE topic = ANY ($1) AND dismissed_at IS NULL ORDER BY at, topic, partition, log_offset LIMIT $2`,
    [consentLogs, countedUpTo],
  );
  return {
    at: new Date(nowMs).toISOString(),
    records: rows.map((row) => ({ ...row, at: row.at.toISOString() })),
    countedUpTo,
  };
}

/** @returns false where no such record waits to be looked into */
export async function dismissUnreadable(
  pool: Pool,
  { topic, partition, offset, at }: Omit<UnreadableRecord, 'reason'>,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE quarantine SET dismissed_at = clock_timestamp()
      WHERE topic = $1 AND partition = $2 AND log_offset = $3 AND topic = ANY ($4) AND dismissed_at IS NULL
        AND date_trunc('milliseconds', at) = date_trunc('milliseconds', $5::timestamptz)`,
    [topic, partition, offset, consentLogs, at],
  );
  return rowCount === 1;
}
