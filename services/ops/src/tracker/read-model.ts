import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { PropagationView, RecipientView } from '../read/views/propagation.ts';
import type { PlainText } from '../read/views/words.ts';

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
    documented_delay: PlainText | null;
    visible_at: string | null;
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
        'consumed_at', p.consumed_at, 'confirmed_at', p.confirmed_at, 'visible_at', p.visible_at,
        'contradicted_at', p.contradicted_at, 'documented_delay', d.documented_delay, 'settled', p.settled_at IS NOT NULL, 'error_ms', p.error_ms) ORDER BY p.recipient)
      FROM propagation p LEFT JOIN recipient r ON r.controller = p.controller AND r.id = p.recipient
        LEFT JOIN recipient_description d ON d.controller = p.controller AND d.recipient = p.recipient
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
      documentedDelay: p.documented_delay ?? undefined,
      errorMs: Math.round(p.error_ms * 100) / 100,
    }) as Omit<RecipientView, 'times'>),
    times: defined({
      t1,
      t2: row.published_at.toISOString(),
      t3: p.consumed_at ?? undefined,
      t4: p.gate_closed_at ?? undefined,
      t5: p.accepted_at ?? undefined,
      t6: p.confirmed_at ?? undefined,
      t7: p.visible_at ?? undefined,
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
    `${select} WHERE c.controller = $1 AND c.direction = 'deny' AND NOT c.canary ORDER BY c.committed_at DESC LIMIT $2`,
    [controller, limit],
  );
  return rows.map(view);
}
