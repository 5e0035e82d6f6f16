import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { CanariesView, CanaryRun } from './views/canaries.ts';

/** Runs shown of each recipient. */
const runsShown = 20;

interface RunRow extends Omit<CanaryRun, 'startedAt' | 'endedAt'> {
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

const columns = `c.id, c.recipient, c.asked_by AS "askedBy", c.started_at AS "startedAt", c.ended_at AS "endedAt", c.result, c.reason,
  c.change_id AS "changeId", c.arrived_ms AS "arrivedMs", c.gate_ms AS "gateMs", c.accepted_ms AS "acceptedMs", c.refused`;

const runOf = (row: RunRow): CanaryRun => ({
  ...row,
  startedAt: row.startedAt.toISOString(),
  endedAt: row.endedAt?.toISOString() ?? null,
});

/** Every recipient with its newest canary runs; those without a canary too, as nobody proves anything there. */
export async function canaries(
  pool: Pool,
  question: {
    readonly controller: ControllerId;
    readonly everyMs: number;
    readonly nowMs: number;
    readonly configured: (recipient: string) => boolean;
  },
): Promise<CanariesView> {
  const [recipients, runs] = await Promise.all([
    pool.query<{ id: string; name: string; last_success_at: Date | null; running: boolean }>(
      `SELECT r.id, r.name, k.last_success_at, coalesce(k.claimed_until > clock_timestamp(), false) AS running
       FROM recipient r LEFT JOIN canary k ON k.controller = r.controller AND k.recipient = r.id
       WHERE r.controller = $1 AND r.active ORDER BY r.name, r.id`,
      [question.controller],
    ),
    pool.query<RunRow>(
      `SELECT ${columns} FROM canary k CROSS JOIN LATERAL (
         SELECT * FROM canary_run c WHERE c.controller = k.controller AND c.recipient = k.recipient
         ORDER BY c.started_at DESC LIMIT $2) AS c
       WHERE k.controller = $1 ORDER BY c.started_at DESC`,
      [question.controller, runsShown],
    ),
  ]);
  const byRecipient = Map.groupBy(runs.rows, ({ recipient }) => recipient);
  return {
    at: new Date(question.nowMs).toISOString(),
    everyS: question.everyMs / 1000,
    canaries: recipients.rows.map((row) => ({
      recipient: row.id,
      name: row.name,
      configured: question.configured(row.id),
      lastSuccessAt: row.last_success_at?.toISOString() ?? null,
      running: row.running,
      runs: (byRecipient.get(row.id) ?? []).map(runOf),
    })),
  };
}

export async function canaryRun(pool: Pool, controller: ControllerId, id: string): Promise<CanaryRun | null> {
  const { rows } = await pool.query<RunRow>(
    `SELECT ${columns} FROM canary_run c WHERE c.controller = $1 AND c.id = $2`,
    [controller, id],
  );
  return rows[0] ? runOf(rows[0]) : null;
}
