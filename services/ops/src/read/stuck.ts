import { maskedSubject, type ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { blameSoFar } from '../tracker/track.ts';
import type { Cursors } from './cursors.ts';
import type { StuckLine } from './views/stuck.ts';
import type { ListPage } from './views/words.ts';

export const openStates = ['waiting', 'retrying', 'parked'] as const;

export interface StuckQuestion {
  readonly controller: ControllerId;
  readonly recipient: string | null;
  readonly state: string | null;
  readonly after: readonly string[] | null;
  readonly cursors: Pick<Cursors, 'seal'>;
  readonly limit: number;
  readonly nowMs: number;
}

interface Row {
  change_id: string;
  subject_key: string;
  recipient: string;
  name: string;
  version: number;
  purposes: string[];
  committed_at: Date;
  committed_us: string;
  state: StuckLine['state'];
  reason: string | null;
  attempts: number;
  gate_closed: boolean;
  age_ms: number;
  consumed_ms: number | null;
}

/**
 * What is not enforced, oldest first. Each recipient and state is read along its own part of one index and only as far as
 * the page reaches, so the millionth page costs as much as the first.
 */
const sql = `
  WITH page AS (
    SELECT p.* FROM recipient r CROSS JOIN unnest($3::text[]) AS s(state) CROSS JOIN LATERAL (
      SELECT * FROM propagation p
      WHERE p.controller = r.controller AND p.recipient = r.id AND p.state = s.state AND p.settled_at IS NULL AND NOT p.canary
        AND ($4::timestamptz IS NULL OR (p.committed_at, p.subject_key, p.version) >= ($4, $5, $6)
          AND (p.committed_at, p.subject_key, p.version, p.recipient) > ($4, $5, $6, $7))
      ORDER BY p.committed_at, p.subject_key, p.version LIMIT $8) AS p
    WHERE r.controller = $1 AND ($2::text IS NULL OR r.id = $2)
    ORDER BY p.committed_at, p.subject_key, p.version, p.recipient LIMIT $8)
  SELECT c.change_id, p.subject_key, p.recipient, r.name, p.version, c.purposes, p.committed_at,
    p.committed_at::text AS committed_us, p.state, p.reason, p.attempts, p.gate_closed_at IS NOT NULL AS gate_closed,
    (extract(epoch FROM clock_timestamp() - p.committed_at) * 1000)::float8 AS age_ms,
    (extract(epoch FROM p.consumed_at - p.committed_at) * 1000)::float8 AS consumed_ms
  FROM page p
  JOIN change c ON c.controller = p.controller AND c.subject_key = p.subject_key AND c.version = p.version
  JOIN recipient r ON r.controller = p.controller AND r.id = p.recipient
  ORDER BY p.committed_at, p.subject_key, p.version, p.recipient`;

export async function stuck(pool: Pool, question: StuckQuestion): Promise<ListPage<StuckLine>> {
  const { controller, recipient, state, after, cursors, limit, nowMs } = question;
  const states = state === null ? [...openStates] : [state];
  const place = after ?? [null, null, null, null];
  const { rows } = await pool.query<Row>(sql, [controller, recipient, states, ...place, limit + 1]);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    at: new Date(nowMs).toISOString(),
    items: shown.map(lineOf),
    next: more ? cursors.seal([last.committed_us, last.subject_key, last.version, last.recipient]) : null,
  };
}

const lineOf = (row: Row): StuckLine => ({
  changeId: `chg_${row.change_id}`,
  subject: maskedSubject(row.subject_key),
  recipient: row.recipient,
  name: row.name,
  purposes: row.purposes,
  committedAt: row.committed_at.toISOString(),
  ageS: Math.max(0, row.age_ms) / 1000,
  state: row.state,
  reason: row.reason,
  attempts: row.attempts,
  gateClosed: row.gate_closed,
  blame: blameSoFar(row.age_ms, row.consumed_ms, row.state === 'parked' ? row.reason : null),
});
