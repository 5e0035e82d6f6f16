import { maskedSubject, type ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { Cursors } from './cursors.ts';
import type { LeakLine, LeaksView } from './views/leaks.ts';

export interface LeaksQuestion {
  readonly controller: ControllerId;
  readonly recipient: string | null;
  /** ISO 8601; leaks of this moment or later. */
  readonly since: string | null;
  readonly after: readonly string[] | null;
  readonly cursors: Pick<Cursors, 'seal'>;
  readonly limit: number;
  readonly nowMs: number;
  /** Whoever may act is told whom it concerns; to others people stay masked. */
  readonly namesPeople: boolean;
}

interface Row {
  subject_key: string;
  recipient: string;
  name: string | null;
  purpose: string;
  exposed_at: Date;
  exposed_us: string;
  detector: LeakLine['detector'];
  change_id: string | null;
  committed_at: Date | null;
}

/** Newest first along an index; the change is the last one before the item left that did not allow its purpose. */
const sql = `
  WITH page AS (
    SELECT * FROM leak l
    WHERE l.controller = $1 AND ($2::text IS NULL OR l.recipient = $2) AND ($3::timestamptz IS NULL OR l.exposed_at >= $3)
      AND ($4::timestamptz IS NULL OR (l.exposed_at, l.subject_key, l.recipient, l.purpose) < ($4, $5, $6, $7))
    ORDER BY l.exposed_at DESC, l.subject_key DESC, l.recipient DESC, l.purpose DESC LIMIT $8)
  SELECT p.*, p.exposed_at::text AS exposed_us, r.name, c.change_id, c.committed_at FROM page p
  LEFT JOIN recipient r ON r.controller = p.controller AND r.id = p.recipient
  LEFT JOIN LATERAL (
    SELECT change_id, committed_at FROM change c
    WHERE c.controller = p.controller AND c.subject_key = p.subject_key AND c.committed_at <= p.exposed_at
      AND NOT c.granted && string_to_array(p.purpose, ',')
    ORDER BY c.version DESC LIMIT 1) AS c ON true
  ORDER BY p.exposed_at DESC, p.subject_key DESC, p.recipient DESC, p.purpose DESC`;

/** Whole days: the first may have begun before `since`, and the answer says so. */
const lookedSql = `
  SELECT coalesce(sum(sends), 0)::float8 AS sends, min(first_at) AS since FROM egress_day
  WHERE controller = $1 AND ($2::text IS NULL OR recipient = $2)
    AND ($3::timestamptz IS NULL OR day >= ($3::timestamptz AT TIME ZONE 'UTC')::date)`;

/** What left after a withdrawal, with the evidence; and how much was looked at to say so. */
export async function leaks(pool: Pool, question: LeaksQuestion): Promise<LeaksView> {
  const { controller, recipient, since, after, cursors, limit, nowMs, namesPeople } = question;
  const place = after ?? [null, null, null, null];
  const [{ rows }, { rows: looked }] = await Promise.all([
    pool.query<Row>(sql, [controller, recipient, since, ...place, limit + 1]),
    pool.query<{ sends: number; since: Date | null }>(lookedSql, [controller, recipient, since]),
  ]);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    at: new Date(nowMs).toISOString(),
    looked: { sends: looked[0]?.sends ?? 0, since: looked[0]?.since?.toISOString() ?? null },
    items: shown.map((row) => lineOf(row, namesPeople)),
    next:
      rows.length > limit && last
        ? cursors.seal([last.exposed_us, last.subject_key, last.recipient, last.purpose])
        : null,
  };
}

const lineOf = (row: Row, namesPeople: boolean): LeakLine => ({
  recipient: row.recipient,
  name: row.name ?? row.recipient,
  purposes: row.purpose.split(','),
  subject: maskedSubject(row.subject_key),
  subjectKey: namesPeople ? row.subject_key : null,
  at: row.exposed_at.toISOString(),
  detector: row.detector,
  changeId: row.change_id === null ? null : `chg_${row.change_id}`,
  withdrawnAt: row.committed_at?.toISOString() ?? null,
});
