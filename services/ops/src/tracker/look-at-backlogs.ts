import type { PoolClient } from '@entente/postgres';
import { countedAtMost, lookEveryMs, lookForgottenMs, paceAfter, type BacklogPace } from './backlog-pace.ts';

interface Row {
  controller: string;
  recipient: string;
  oldest_ms: number;
  open: number;
  untaken_since: Date | null;
  accepted_at: Date | null;
  /** Of the look before; null where there was none, or too long ago. */
  before_ms: number | null;
  before_open: number | null;
  before_untaken: Date | null;
  before_accepted: Date | null;
  rises: number;
}

const oldest = (states: string): string => `(SELECT min(first.at) FROM unnest(ARRAY[${states}]) AS s(state)
    CROSS JOIN LATERAL (SELECT p.committed_at AS at FROM propagation p
      WHERE p.controller = r.controller AND p.recipient = r.id AND p.state = s.state AND p.settled_at IS NULL AND NOT p.canary
      ORDER BY p.committed_at LIMIT 1) AS first)`;

/** Each recipient whose last look is due; one that has nothing open, and had nothing, is not written down. */
const due = `
  SELECT * FROM (
    SELECT r.controller, r.id AS recipient,
      coalesce((extract(epoch FROM clock_timestamp() - ${oldest(`'waiting', 'retrying', 'parked'`)}) * 1000)::float8, 0) AS oldest_ms,
      ${oldest(`'waiting'`)} AS untaken_since,
      (SELECT count(*)::int FROM (SELECT 1 FROM propagation p
        WHERE p.controller = r.controller AND p.recipient = r.id AND p.state IN ('waiting', 'retrying', 'parked')
          AND p.settled_at IS NULL AND NOT p.canary LIMIT ${countedAtMost}) AS counted) AS open,
      (SELECT p.accepted_at FROM propagation p
        WHERE p.controller = r.controller AND p.recipient = r.id AND p.accepted_at IS NOT NULL AND NOT p.canary
        ORDER BY p.accepted_at DESC LIMIT 1) AS accepted_at,
      CASE WHEN b.looked_at > clock_timestamp() - make_interval(secs => $2 / 1000.0) THEN b.oldest_ms END AS before_ms,
      b.open AS before_open, b.untaken_since AS before_untaken, b.accepted_at AS before_accepted, coalesce(b.rises, 0) AS rises
    FROM recipient r LEFT JOIN recipient_pace b ON b.controller = r.controller AND b.recipient = r.id
    WHERE b.looked_at IS NULL OR b.looked_at <= clock_timestamp() - make_interval(secs => $1 / 1000.0)
  ) AS looked WHERE oldest_ms > 0 OR before_ms > 0`;

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

/** The sweeper's, once a second for all instances together: a status that came from what one process saw would not be one word. */
export async function lookAtBacklogs(tx: PoolClient): Promise<void> {
  const { rows } = await tx.query<Row>(due, [lookEveryMs, lookForgottenMs]);
  if (rows.length === 0) return;
  const paces = rows.map((row): Row & BacklogPace => ({ ...row, ...paceAfter(before(row), look(row)) }));
  await tx.query(
    `INSERT INTO recipient_pace (controller, recipient, looked_at, oldest_ms, open, untaken_since, accepted_at, rises)
     SELECT controller, recipient, clock_timestamp(), oldest_ms, open, untaken_since, accepted_at, rises
     FROM unnest($1::text[], $2::text[], $3::float8[], $4::integer[], $5::timestamptz[], $6::timestamptz[],
       $7::integer[])
       AS l(controller, recipient, oldest_ms, open, untaken_since, accepted_at, rises) ORDER BY controller, recipient
     ON CONFLICT (controller, recipient) DO UPDATE SET looked_at = excluded.looked_at, oldest_ms = excluded.oldest_ms,
       open = excluded.open, untaken_since = excluded.untaken_since, accepted_at = excluded.accepted_at, rises = excluded.rises`,
    [
      paces.map(({ controller }) => controller),
      paces.map(({ recipient }) => recipient),
      paces.map(({ oldestMs }) => oldestMs),
      paces.map(({ open }) => open),
      paces.map(({ untakenSince }) => untakenSince),
      paces.map(({ acceptedAt }) => acceptedAt),
      paces.map(({ rises }) => rises),
    ],
  );
}

const look = (row: Row) => ({
  oldestMs: Math.max(0, row.oldest_ms),
  open: row.open,
  untakenSince: iso(row.untaken_since),
  acceptedAt: iso(row.accepted_at),
});

const before = (row: Row): BacklogPace | null => {
  const { before_ms: oldestMs, before_open: open, before_untaken, before_accepted, rises } = row;
  if (oldestMs === null || open === null) return null;
  return { oldestMs, open, untakenSince: iso(before_untaken), acceptedAt: iso(before_accepted), rises };
};
