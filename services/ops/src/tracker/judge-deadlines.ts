import type { PoolClient } from '@entente/postgres';
import { judge, type deadlines, type Judgement } from './track.ts';

/** Rows judged in one pass; a backlog is worked off pass by pass. */
const pageSize = 2_000;

interface Due {
  controller: string;
  subject_key: string;
  recipient: string;
  version: number;
  settled_ms: number | null;
  consumed_ms: number | null;
  parked_for: string | null;
}

export interface Judged extends Judgement {
  readonly recipient: string;
  readonly within: string;
}

/**
 * Judges every (withdrawal, recipient) whose limit has passed, once: the mark on the row, the count of its hour and the
 * record of a miss are one transaction, so a restart or a second sweeper neither skips nor repeats one.
 */
export async function judgeDeadline(
  tx: PoolClient,
  limit: (typeof deadlines)[number] & { readonly index: number; readonly graceMs: number },
): Promise<Judged[]> {
  const { rows } = await tx.query<Due>(
    `WITH due AS (
       SELECT ctid FROM propagation
       WHERE deadlines_judged = $1 AND deadlines_judged < 3 AND NOT canary AND committed_at < clock_timestamp() - make_interval(secs => $2 / 1000.0)
       ORDER BY committed_at LIMIT $3 FOR UPDATE)
     UPDATE propagation p SET deadlines_judged = $1 + 1 FROM due WHERE p.ctid = due.ctid
     RETURNING p.controller, p.subject_key, p.recipient, p.version,
               (extract(epoch FROM p.settled_at - p.committed_at) * 1000)::float8 AS settled_ms,
               (extract(epoch FROM p.consumed_at - p.committed_at) * 1000)::float8 AS consumed_ms,
               CASE WHEN p.state = 'parked' THEN p.reason END AS parked_for`,
    [limit.index, limit.ms + limit.graceMs, pageSize],
  );
  if (rows.length === 0) return [];
  const judged = rows.map((row) => ({ ...row, ...judge(limit.ms, row.settled_ms, row.consumed_ms, row.parked_for) }));
  await count(tx, limit.within, judged);
  await keepMisses(
    tx,
    limit.within,
    judged.filter(({ result }) => result === 'missed'),
  );
  return judged.map(({ recipient, result, blame }) => ({ recipient, result, blame, within: limit.within }));
}

async function count(tx: PoolClient, within: string, judged: readonly (Due & Judgement)[]): Promise<void> {
  await tx.query(
    `INSERT INTO deadline_hour AS d (controller, recipient, hour, within, met, missed_pipeline, missed_partner)
     SELECT controller, recipient, date_trunc('hour', clock_timestamp()), $1, count(*) FILTER (WHERE result = 'met'),
            count(*) FILTER (WHERE blame = 'pipeline'), count(*) FILTER (WHERE blame = 'partner')
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS j(controller, recipient, result, blame)
     GROUP BY controller, recipient ORDER BY controller, recipient
     ON CONFLICT (controller, recipient, hour, within) DO UPDATE SET met = d.met + excluded.met,
       missed_pipeline = d.missed_pipeline + excluded.missed_pipeline, missed_partner = d.missed_partner + excluded.missed_partner`,
    [
      within,
      judged.map(({ controller }) => controller),
      judged.map(({ recipient }) => recipient),
      judged.map(({ result }) => result),
      judged.map(({ blame }) => blame),
    ],
  );
}

async function keepMisses(tx: PoolClient, within: string, missed: readonly (Due & Judgement)[]): Promise<void> {
  if (missed.length === 0) return;
  await tx.query(
    `INSERT INTO deadline_missed (controller, subject_key, recipient, version, within, blame)
     SELECT m.controller, m.subject_key, m.recipient, m.version, $1, m.blame
     FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) AS m(controller, subject_key, recipient, version, blame)`,
    [
      within,
      missed.map(({ controller }) => controller),
      missed.map(({ subject_key }) => subject_key),
      missed.map(({ recipient }) => recipient),
      missed.map(({ version }) => version),
      missed.map(({ blame }) => blame),
    ],
  );
}
