import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { statusOf, type RecipientStatus } from './track.ts';

interface RecipientView {
  readonly recipient: string;
  readonly name: string;
  readonly state: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly attempts: number;
  readonly gateClosedAt?: string;
  readonly gateClosedMs?: number;
  readonly gateClosedBy?: string;
  readonly acceptedAt?: string;
  readonly acceptedMs?: number;
  readonly confirmedAt?: string;
  /** When the partner was last found not to keep what it had accepted. */
  readonly contradictedAt?: string;
  readonly times: {
    readonly t1: string;
    readonly t2: string;
    readonly t3?: string;
    readonly t4?: string;
    readonly t5?: string;
    readonly t6?: string;
  };
  readonly errorMs: number;
}

export interface PropagationView {
  readonly changeId: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly direction: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: readonly RecipientView[];
  readonly allGatesClosed: boolean;
  readonly allAccepted: boolean;
}

interface Row {
  change_id: string;
  subject_key: string;
  version: number;
  direction: string;
  committed_at: Date;
  published_at: Date;
  purposes: string[];
  recipients: {
    recipient: string;
    name: string | null;
    state: string;
    outcome: string | null;
    reason: string | null;
    attempts: number;
    gate_closed_at: string | null;
    gate_closed_by: string | null;
    gate_ms: number | null;
    accepted_at: string | null;
    accepted_ms: number | null;
    consumed_at: string | null;
    confirmed_at: string | null;
    contradicted_at: string | null;
    settled: boolean;
    error_ms: number;
  }[];
}

const select = `
  SELECT c.change_id, c.subject_key, c.version, c.direction, c.committed_at, c.published_at, c.purposes,
    coalesce((SELECT jsonb_agg(jsonb_build_object(
        'recipient', p.recipient, 'name', r.name, 'state', p.state, 'outcome', p.outcome, 'reason', p.reason, 'attempts', p.attempts,
        'gate_closed_at', p.gate_closed_at, 'gate_closed_by', p.gate_closed_by,
        'gate_ms', extract(epoch FROM p.gate_closed_at - p.committed_at) * 1000,
        'accepted_at', p.accepted_at, 'accepted_ms', extract(epoch FROM p.accepted_at - p.committed_at) * 1000,
        'consumed_at', p.consumed_at, 'confirmed_at', p.confirmed_at,
        'contradicted_at', p.contradicted_at, 'settled', p.settled_at IS NOT NULL, 'error_ms', p.error_ms) ORDER BY p.recipient)
      FROM propagation p LEFT JOIN recipient r ON r.controller = p.controller AND r.id = p.recipient
      WHERE p.controller = c.controller AND p.subject_key = c.subject_key AND p.version = c.version), '[]') AS recipients
  FROM change c`;

/** Two clocks of two hosts may disagree by less than their error: never shown as a negative time. */
const milliseconds = (value: number | null): number | undefined =>
  value === null ? undefined : Math.max(0, Math.round(value * 10) / 10);

const defined = <T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

function view(row: Row): PropagationView {
  const t1 = row.committed_at.toISOString();
  const recipients = row.recipients.map((p): RecipientView => ({
    ...(defined({
      recipient: p.recipient,
      name: p.name ?? p.recipient,
      state: p.state,
      outcome: p.outcome ?? undefined,
      reason: p.reason ?? undefined,
      attempts: p.attempts,
      gateClosedAt: p.gate_closed_at ?? undefined,
      gateClosedMs: milliseconds(p.gate_ms),
      gateClosedBy: p.gate_closed_by ?? undefined,
      acceptedAt: p.accepted_at ?? undefined,
      acceptedMs: milliseconds(p.accepted_ms),
      confirmedAt: p.confirmed_at ?? undefined,
      contradictedAt: p.contradicted_at ?? undefined,
      errorMs: Math.round(p.error_ms * 100) / 100,
    }) as Omit<RecipientView, 'times'>),
    times: defined({
      t1,
      t2: row.published_at.toISOString(),
      t3: p.consumed_at ?? undefined,
      t4: p.gate_closed_at ?? undefined,
      t5: p.accepted_at ?? undefined,
      t6: p.confirmed_at ?? undefined,
    }),
  }));
  return {
    changeId: `chg_${row.change_id}`,
    subjectKey: row.subject_key,
    version: row.version,
    direction: row.direction,
    committedAt: t1,
    purposes: row.purposes,
    recipients,
    allGatesClosed: row.recipients.every(({ gate_closed_at }) => gate_closed_at !== null),
    allAccepted: row.recipients.every(({ settled }) => settled),
  };
}

export async function propagation(
  pool: Pool,
  controller: ControllerId,
  changeId: string,
): Promise<PropagationView | null> {
  const { rows } = await pool.query<Row>(`${select} WHERE c.controller = $1 AND c.change_id = $2`, [
    controller,
    changeId,
  ]);
  return rows[0] ? view(rows[0]) : null;
}

/** The newest denials, newest first. */
export async function latestPropagations(
  pool: Pool,
  controller: ControllerId,
  limit: number,
): Promise<PropagationView[]> {
  const { rows } = await pool.query<Row>(
    `${select} WHERE c.controller = $1 AND c.direction = 'deny' ORDER BY c.committed_at DESC LIMIT $2`,
    [controller, limit],
  );
  return rows.map(view);
}

export interface RecipientSummary {
  readonly recipient: string;
  readonly name: string;
  readonly kind: string;
  readonly status: RecipientStatus;
  readonly unenforced: number;
  readonly waiting: number;
  readonly retrying: number;
  readonly parked: number;
  readonly oldestUnenforcedS: number;
  readonly oldestParkedS: number;
  /** Seconds since the newest beat of any gate that guards it; null when none was ever heard. */
  readonly gateSilentS: number | null;
  readonly leaks: number;
}

/** A gate whose beats have not been seen for this long may have no lease; its recipient is BLIND. */
const silentAfterMs = 3_000;

/** One line per active recipient, from Postgres, dead and parked work included: it grows while a connector is down. */
export async function summaries(pool: Pool, controller: ControllerId): Promise<RecipientSummary[]> {
  const { rows } = await pool.query<{
    id: string;
    name: string;
    kind: string;
    waiting: number;
    retrying: number;
    parked: number;
    oldest_ms: number;
    oldest_parked_ms: number;
    beat_ms: number | null;
    leaks: number;
  }>(
    `SELECT r.id, r.name, r.kind,
       count(p.*) FILTER (WHERE p.state = 'waiting')::int AS waiting,
       count(p.*) FILTER (WHERE p.state = 'retrying')::int AS retrying,
       count(p.*) FILTER (WHERE p.state = 'parked')::int AS parked,
       coalesce(extract(epoch FROM clock_timestamp() - min(p.committed_at)) * 1000, 0)::float8 AS oldest_ms,
       coalesce(extract(epoch FROM clock_timestamp() - min(p.committed_at) FILTER (WHERE p.state = 'parked')) * 1000, 0)::float8 AS oldest_parked_ms,
       (SELECT (extract(epoch FROM clock_timestamp() - max(s.last_beat_at)) * 1000)::float8 FROM gate_start s
          WHERE s.controller = r.controller AND r.id = ANY (s.recipients)) AS beat_ms,
       (SELECT count(*)::int FROM leak l WHERE l.controller = r.controller AND l.recipient = r.id) AS leaks
     FROM recipient r
     LEFT JOIN propagation p ON p.controller = r.controller AND p.recipient = r.id AND p.settled_at IS NULL
     WHERE r.controller = $1 AND r.active GROUP BY r.controller, r.id, r.name, r.kind ORDER BY r.id`,
    [controller],
  );
  return rows.map((row) => {
    const unenforced = row.waiting + row.retrying + row.parked;
    return {
      recipient: row.id,
      name: row.name,
      kind: row.kind,
      status: statusOf({
        unenforced,
        oldestUnenforcedMs: row.oldest_ms,
        parked: row.parked,
        sinceBeatMs: row.beat_ms,
        staleAfterMs: silentAfterMs,
      }),
      unenforced,
      waiting: row.waiting,
      retrying: row.retrying,
      parked: row.parked,
      oldestUnenforcedS: row.oldest_ms / 1000,
      oldestParkedS: row.oldest_parked_ms / 1000,
      gateSilentS: row.beat_ms === null ? null : row.beat_ms / 1000,
      leaks: row.leaks,
    };
  });
}
