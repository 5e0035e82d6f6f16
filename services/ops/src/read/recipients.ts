import { contradictionReasons, partitionCount, type ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { lookForgottenMs } from '../tracker/backlog-pace.ts';
import { credentialReasons, statusOf } from '../tracker/track.ts';
import type { RecipientSummary } from './views/recipients.ts';
import type { PlainText } from './views/words.ts';

/** Counting stops here, so that a backlog of millions costs no more to look at than one of thousands. */
const countedUpTo = 10_000;

interface Row {
  id: string;
  name: string;
  kind: string;
  waiting: number;
  waiting_ms: number | null;
  retrying: number;
  retrying_ms: number | null;
  failing_ms: number | null;
  parked: number;
  parked_ms: number | null;
  credentials_refused: boolean;
  beat_ms: number | null;
  has_left: boolean;
  accepted_ms: number | null;
  leaks: number;
  rises: number;
  documented_delay: PlainText | null;
}

/** A short walk along `propagation_open_of` per state. */
const open = (state: string): string => `
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS count, (extract(epoch FROM clock_timestamp() - min(committed_at)) * 1000)::float8 AS oldest_ms
    FROM (SELECT p.committed_at FROM propagation p
      WHERE p.controller = r.controller AND p.recipient = r.id AND p.state = '${state}' AND p.settled_at IS NULL AND NOT p.canary
      ORDER BY p.committed_at LIMIT $2) AS first
  ) AS ${state}`;

/** Of the oldest that are tried again: how long the partner has given no answer, or an error of its own. */
const failing = `
  CROSS JOIN LATERAL (
    SELECT (extract(epoch FROM clock_timestamp() - min(committed_at)) * 1000)::float8 AS oldest_ms
    FROM (SELECT p.committed_at, p.reason FROM propagation p
      WHERE p.controller = r.controller AND p.recipient = r.id AND p.state = 'retrying' AND p.settled_at IS NULL AND NOT p.canary
      ORDER BY p.committed_at LIMIT $3) AS first
    WHERE coalesce(reason, '') NOT LIKE 'throttled%' AND coalesce(reason, '') <> ALL ($4)
  ) AS failing`;

/** Of the oldest parked ones: whether the partner refuses our credentials. */
const refused = `
  CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(reason = ANY ($6)), false) AS credentials
    FROM (SELECT p.reason FROM propagation p
      WHERE p.controller = r.controller AND p.recipient = r.id AND p.state = 'parked' AND p.settled_at IS NULL AND NOT p.canary
      ORDER BY p.committed_at LIMIT $3) AS first
  ) AS refused`;

/** Reasons to try again that say nothing against the partner's being up: it asks for patience, did not keep its word, or the lack is ours. */
const answeredReasons = ['over-quota', 'partner-busy', 'identifiers-unreachable', ...contradictionReasons];
/** Of the oldest, as many as tell whether a partner is down. */
const failingLooked = 100;

const sql = `
  SELECT r.id, r.name, r.kind, waiting.count AS waiting, waiting.oldest_ms AS waiting_ms, retrying.count AS retrying,
    retrying.oldest_ms AS retrying_ms, failing.oldest_ms AS failing_ms, parked.count AS parked, parked.oldest_ms AS parked_ms,
    refused.credentials AS credentials_refused,
    (SELECT (extract(epoch FROM clock_timestamp() - max(s.last_beat_at)) * 1000)::float8 FROM gate_start s
      WHERE s.controller = r.controller AND r.id = ANY (s.recipients)) AS beat_ms,
    EXISTS (SELECT FROM gate_left g WHERE g.controller = r.controller AND g.recipient = r.id) AS has_left,
    (SELECT (extract(epoch FROM clock_timestamp() - p.accepted_at) * 1000)::float8 FROM propagation p
      WHERE p.controller = r.controller AND p.recipient = r.id AND p.accepted_at IS NOT NULL AND NOT p.canary
      ORDER BY p.accepted_at DESC LIMIT 1) AS accepted_ms,
    (SELECT count(*)::int FROM (SELECT FROM leak l WHERE l.controller = r.controller AND l.recipient = r.id LIMIT $2) AS first) AS leaks,
    coalesce((SELECT b.rises FROM recipient_pace b WHERE b.controller = r.controller AND b.recipient = r.id
      AND b.looked_at > clock_timestamp() - make_interval(secs => $5 / 1000.0)), 0) AS rises,
    (SELECT d.documented_delay FROM recipient_description d WHERE d.controller = r.controller AND d.recipient = r.id) AS documented_delay
  FROM recipient r ${open('waiting')} ${open('retrying')} ${open('parked')} ${failing} ${refused}
  WHERE r.controller = $1 AND (r.active OR waiting.count + retrying.count + parked.count > 0) ORDER BY r.id`;

/** The oldest of the partitions' horizons; null while one of them has none (ADR 32). */
const horizonSql = `
  SELECT CASE WHEN count(*) = $1 THEN min(known_until) END AS known_until,
         CASE WHEN count(*) = $1 THEN (extract(epoch FROM clock_timestamp() - min(known_until)) * 1000)::float8 END AS age_ms
    FROM log_horizon`;

/** Gates whose watermarks are this old have lost their leases: nobody can say that nothing was withdrawn since. */
const knownWithinMs = 3_000;

interface Horizon {
  readonly knownUntil: string | null;
  readonly fresh: boolean;
}

/** Up to when every withdrawal that was answered is known here, and whether that is the present. */
export async function logHorizon(pool: Pool): Promise<Horizon> {
  const { rows } = await pool.query<{ known_until: Date | null; age_ms: number | null }>(horizonSql, [partitionCount]);
  const [{ known_until = null, age_ms = null } = {}] = rows;
  return { knownUntil: known_until?.toISOString() ?? null, fresh: age_ms !== null && age_ms <= knownWithinMs };
}

/**
 * One line per recipient that is active or has open work, from Postgres, dead and parked work included: it grows while a connector
 * is down. @param horizon for who also says up to when that holds; default: read now
 */
export async function recipientSummaries(
  pool: Pool,
  controller: ControllerId,
  trackerSees: boolean,
  horizon?: Horizon,
): Promise<RecipientSummary[]> {
  // The horizon first: what it covers is in the rows read after it.
  const { fresh } = horizon ?? (await logHorizon(pool));
  const { rows } = await pool.query<Row>(sql, [
    controller,
    countedUpTo,
    failingLooked,
    answeredReasons,
    lookForgottenMs,
    credentialReasons,
  ]);
  return rows.map((row) => summary(row, trackerSees && fresh));
}

function summary(row: Row, trackerSees: boolean): RecipientSummary {
  const { waiting, retrying, parked } = row;
  const ages = [row.waiting_ms, row.retrying_ms, row.parked_ms].map((ms) => Math.max(0, ms ?? 0));
  const [unheardMs = 0, , parkedMs = 0] = ages;
  const oldestMs = Math.max(...ages);
  const unenforced = waiting + retrying + parked;
  return {
    recipient: row.id,
    name: row.name,
    kind: row.kind,
    ...statusOf({
      unenforced,
      parked,
      credentialsRefused: row.credentials_refused,
      oldestUnenforcedMs: oldestMs,
      oldestFailingMs: Math.max(0, row.failing_ms ?? 0),
      oldestUnheardMs: unheardMs,
      rises: row.rises,
      sinceBeatMs: row.beat_ms,
      hasLeft: row.has_left,
      sinceAcceptedMs: row.accepted_ms,
      trackerSees,
    }),
    unenforced,
    waiting,
    retrying,
    parked,
    countedUpTo,
    oldestUnenforcedS: oldestMs / 1000,
    oldestParkedS: parkedMs / 1000,
    gateSilentS: row.beat_ms === null ? null : Math.max(0, row.beat_ms) / 1000,
    leaks: row.leaks,
    documentedDelay: row.documented_delay,
  };
}
