import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

/** A delivery row for people: no identifiers, no vector. */
export interface DeliverySummary {
  readonly recipient: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly state: string;
  readonly allowed: string[];
  readonly appliedVersion: number;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
  readonly inFlightUntil: string | null;
  readonly reason: string | null;
  readonly reference: string | null;
  readonly exposures: { purpose: string; identifierSets: number; firstAt: string; lastAt: string }[];
}

const iso = (column: string): string => `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Reads for operators. */
export class DeliveryView {
  readonly #pool: Pool;
  readonly #controller: ControllerId;

  constructor(pool: Pool, controller: ControllerId) {
    this.#pool = pool;
    this.#controller = controller;
  }

  async of(recipient: string, subjectKey: string): Promise<DeliverySummary | null> {
    const { rows } = await this.#pool.query<DeliverySummary>(
      `SELECT d.recipient, d.subject_key AS "subjectKey", d.version, d.state, d.desired AS allowed,
              d.applied_version AS "appliedVersion", d.attempts, ${iso('d.next_attempt_at')} AS "nextAttemptAt",
              ${iso('d.in_flight_until')} AS "inFlightUntil", d.reason, d.reference,
              coalesce((SELECT jsonb_agg(e ORDER BY e.purpose) FROM (
                SELECT purpose, count(*)::int AS "identifierSets", ${iso('min(first_at)')} AS "firstAt",
                       ${iso('max(last_at)')} AS "lastAt"
                  FROM exposure x WHERE x.controller = d.controller AND x.recipient = d.recipient
                   AND x.subject_key = d.subject_key GROUP BY purpose) e), '[]') AS exposures
         FROM delivery d WHERE d.controller = $1 AND d.recipient = $2 AND d.subject_key = $3`,
      [this.#controller, recipient, subjectKey],
    );
    return rows[0] ?? null;
  }

  /** Accepted revocations whose effect was not shown: still asked for, or given up. */
  async unconfirmed(): Promise<{ recipient: string; state: string; count: number }[]> {
    const { rows } = await this.#pool.query<{ recipient: string; state: string; count: number }>(
      `SELECT recipient, state, count(*)::int AS count FROM confirmation
        WHERE controller = $1 AND state IN ('open', 'given-up') GROUP BY recipient, state`,
      [this.#controller],
    );
    return rows;
  }

  /** Unenforced work by recipient and state, with the age of its oldest change; for the gauges. */
  async backlog(): Promise<{ recipient: string; state: string; count: number; oldestSeconds: number }[]> {
    const { rows } = await this.#pool.query<{ recipient: string; state: string; count: number; oldestSeconds: number }>(
      `SELECT recipient, state, count(*)::int AS count,
              coalesce(extract(epoch FROM clock_timestamp() - min(coalesce(committed_at, consumed_at))), 0)::float8 AS "oldestSeconds"
         FROM delivery WHERE controller = $1 AND state IN ('due', 'claimed', 'waiting', 'unclear', 'parked')
        GROUP BY recipient, state`,
      [this.#controller],
    );
    return rows;
  }
}
