import { maskedSubject, type ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { ParkedGroup, ParkedView } from './views/parked.ts';

/** Parked rows per recipient that are grouped, the oldest; more are counted as “at least”. */
const countedUpTo = 10_000;

/** Parked work by recipient and cause, oldest first. */
export async function parkedGroups(
  pool: Pool,
  question: { controller: ControllerId; nowMs: number; replayable: (recipient: string) => boolean },
): Promise<ParkedView> {
  const { rows } = await pool.query<{
    recipient: string;
    name: string;
    reason: string;
    count: number;
    oldest_at: Date;
    newest_at: Date;
    subject_key: string;
    change_id: string;
  }>(
    `SELECT g.*, r.name, c.change_id FROM recipient r CROSS JOIN LATERAL (
       SELECT recipient, reason, count(*)::int AS count, min(committed_at) AS oldest_at, max(committed_at) AS newest_at,
              (array_agg(subject_key ORDER BY committed_at))[1] AS subject_key, (array_agg(version ORDER BY committed_at))[1] AS version
       FROM (SELECT p.recipient, coalesce(p.reason, 'unknown') AS reason, p.committed_at, p.subject_key, p.version FROM propagation p
         WHERE p.controller = r.controller AND p.recipient = r.id AND p.state = 'parked' AND p.settled_at IS NULL AND NOT p.canary
         ORDER BY p.committed_at LIMIT $2) AS oldest
       GROUP BY recipient, reason) AS g
     JOIN change c ON c.controller = r.controller AND c.subject_key = g.subject_key AND c.version = g.version
     WHERE r.controller = $1 ORDER BY g.oldest_at, g.recipient, g.reason`,
    [question.controller, countedUpTo],
  );
  return {
    at: new Date(question.nowMs).toISOString(),
    groups: rows.map((row): ParkedGroup => ({
      recipient: row.recipient,
      name: row.name,
      reason: row.reason,
      count: row.count,
      countedUpTo,
      oldestAt: row.oldest_at.toISOString(),
      newestAt: row.newest_at.toISOString(),
      sample: { changeId: `chg_${row.change_id}`, subject: maskedSubject(row.subject_key) },
      replayable: question.replayable(row.recipient),
    })),
  };
}

export interface ParkedAt {
  /** Such a recipient was named once. */
  readonly known: boolean;
  /** How many of its oldest parked changes a newer one has replaced. */
  readonly superseded: number;
  /** Canaries among those parked: the connector tries them again too, and no list of people shows them. */
  readonly canaries: number;
  /** Why anything is parked there, canaries' work too. */
  readonly reasons: readonly string[];
}

/** What is parked at one recipient, for whoever is about to have it tried again. */
export async function parkedAt(
  pool: Pool,
  question: { controller: ControllerId; recipient: string; reason: string | null; atMost: number },
): Promise<ParkedAt> {
  const { rows } = await pool.query<ParkedAt>(
    // Canaries have no part in the lists' indexes: they are looked up one by one.
    `WITH canaries AS (
       SELECT p.subject_key, p.reason FROM canary k
       JOIN propagation p ON p.controller = k.controller AND p.subject_key = k.subject_key AND p.recipient = $2
       WHERE k.controller = $1 AND p.state = 'parked' AND p.settled_at IS NULL)
     SELECT EXISTS (SELECT FROM recipient WHERE controller = $1 AND id = $2) AS known,
       (SELECT count(*)::int FROM (
          SELECT p.subject_key, p.version FROM propagation p
          WHERE p.controller = $1 AND p.recipient = $2 AND p.state = 'parked' AND p.settled_at IS NULL AND NOT p.canary
            AND ($3::text IS NULL OR p.reason = $3) ORDER BY p.committed_at LIMIT $4) AS parked
        WHERE EXISTS (SELECT FROM propagation n WHERE n.controller = $1 AND n.recipient = $2
          AND n.subject_key = parked.subject_key AND n.version > parked.version)) AS superseded,
       (SELECT count(DISTINCT subject_key)::int FROM canaries WHERE $3::text IS NULL OR reason = $3) AS canaries,
       (SELECT coalesce(array_agg(DISTINCT reason ORDER BY reason), '{}') FROM (
          SELECT reason FROM canaries UNION ALL (
            SELECT p.reason FROM propagation p
            WHERE p.controller = $1 AND p.recipient = $2 AND p.state = 'parked' AND p.settled_at IS NULL AND NOT p.canary
            ORDER BY p.committed_at LIMIT $5)) AS parked WHERE reason IS NOT NULL) AS reasons`,
    [question.controller, question.recipient, question.reason, question.atMost, countedUpTo],
  );
  return rows[0] ?? { known: false, superseded: 0, canaries: 0, reasons: [] };
}
