import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { connectorLine, type OverviewQuestion } from './overview.ts';
import { delaySeries, heatMap, stageFigures, type Marks } from './delay-figures.ts';
import type { ConnectorView, GateInstance } from './views/connector.ts';

/** Newest withdrawals the figures are made of, no older than a day. */
const sampleSize = 5_000;
/** Missing confirmations of one gate are counted up to here. */
const countedUpTo = 1_000;

/** Everything about one recipient, or null when there is no such recipient. */
export async function connector(
  pool: Pool,
  question: OverviewQuestion & { readonly recipient: string },
): Promise<ConnectorView | null> {
  const { controller, recipient, nowMs } = question;
  const [line, sample, instances, deadlines24h] = await Promise.all([
    connectorLine(pool, question, recipient),
    marksOf(pool, controller, recipient),
    instancesOf(pool, controller, recipient),
    deadlinesOf(pool, controller, recipient),
  ]);
  if (!line) return null;
  const oldest = sample.at(-1);
  return {
    at: new Date(nowMs).toISOString(),
    line,
    sample: { size: sample.length, since: oldest ? new Date(oldest.committed).toISOString() : null },
    stages: stageFigures(sample),
    series: delaySeries(sample, nowMs),
    heat: heatMap(sample, nowMs),
    instances,
    deadlines24h,
  };
}

async function marksOf(pool: Pool, controller: ControllerId, recipient: string): Promise<Marks[]> {
  const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;
  const { rows } = await pool.query<Marks>(
    `SELECT 'chg_' || c.change_id AS "changeId", ${ms('p.committed_at')} AS committed, ${ms('c.published_at')} AS published,
       ${ms('p.consumed_at')} AS consumed, ${ms('p.gate_closed_at')} AS gate, ${ms('p.accepted_at')} AS accepted,
       ${ms('p.confirmed_at')} AS confirmed, ${ms('p.visible_at')} AS visible, p.settled_at IS NOT NULL AS settled
     FROM (SELECT * FROM propagation WHERE controller = $1 AND recipient = $2 AND NOT canary
             AND committed_at > clock_timestamp() - interval '24 hours' ORDER BY committed_at DESC LIMIT $3) AS p
     JOIN change c ON c.controller = p.controller AND c.subject_key = p.subject_key AND c.version = p.version
     ORDER BY p.committed_at DESC`,
    [controller, recipient, sampleSize],
  );
  return rows;
}

/** Applied against expected: what each start of a gate has not confirmed of what is open. */
async function instancesOf(pool: Pool, controller: ControllerId, recipient: string): Promise<GateInstance[]> {
  const { rows } = await pool.query<{
    gate: string;
    start_id: string;
    first_beat_at: Date;
    silent_ms: number;
    last_confirmed_at: Date | null;
    behind: number;
  }>(
    `SELECT s.gate, s.start_id, s.first_beat_at, s.last_confirmed_at,
       (extract(epoch FROM clock_timestamp() - s.last_beat_at) * 1000)::float8 AS silent_ms,
       (SELECT count(*)::int FROM (SELECT FROM propagation p
          WHERE p.gate_closed_at IS NULL AND p.controller = $1 AND p.recipient = $2
            AND NOT EXISTS (SELECT FROM gate_confirmation g WHERE g.controller = p.controller
              AND g.subject_key = p.subject_key AND g.start_id = s.start_id AND g.version >= p.version)
          LIMIT $3) AS missing) AS behind
     FROM gate_start s WHERE s.controller = $1 AND $2 = ANY (s.recipients) ORDER BY s.gate, s.first_beat_at`,
    [controller, recipient, countedUpTo],
  );
  return rows.map((row) => ({
    gate: row.gate,
    start: row.start_id,
    since: row.first_beat_at.toISOString(),
    silentS: Math.max(0, row.silent_ms) / 1000,
    lastConfirmedAt: row.last_confirmed_at?.toISOString() ?? null,
    behind: row.behind,
  }));
}

async function deadlinesOf(
  pool: Pool,
  controller: ControllerId,
  recipient: string,
): Promise<ConnectorView['deadlines24h']> {
  const { rows } = await pool.query<ConnectorView['deadlines24h'][number]>(
    `SELECT l.within, coalesce(sum(d.met), 0)::int AS met, coalesce(sum(d.missed_pipeline), 0)::int AS "missedByUs",
       coalesce(sum(d.missed_partner), 0)::int AS "missedByPartner"
     FROM unnest(ARRAY['10s', '60s', '15m']) WITH ORDINALITY AS l(within, place)
     LEFT JOIN deadline_hour d ON d.controller = $1 AND d.recipient = $2 AND d.within = l.within
       AND d.hour > clock_timestamp() - interval '24 hours'
     GROUP BY l.within, l.place ORDER BY l.place`,
    [controller, recipient],
  );
  return rows;
}
