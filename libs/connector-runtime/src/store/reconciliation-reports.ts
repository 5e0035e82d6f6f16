import type { ControllerId, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { randomUUID } from 'node:crypto';

/** One person of a report: no identifiers. */
export interface Finding {
  readonly kind: 'extra' | 'stale' | 'missing' | 'unreadable';
  readonly subjectKey: SubjectKey;
  readonly purposes: readonly PurposeId[];
  /** Why somebody could not be read. */
  readonly reason?: string;
}

export interface ReconciliationCounts {
  readonly checked: number;
  readonly extra: number;
  /** Of `extra`: made due again as a revocation; the others had changed by then. */
  readonly repaired: number;
  readonly stale: number;
  readonly missing: number;
  readonly unreadable: number;
}

export const noCounts: ReconciliationCounts = {
  checked: 0,
  extra: 0,
  repaired: 0,
  stale: 0,
  missing: 0,
  unreadable: 0,
};

export interface ReconciliationReport {
  readonly id: string;
  readonly recipient: string;
  readonly askedBy: 'schedule' | 'operator';
  /** It repaired nothing; "repaired" counts what would have been. */
  readonly dryRun: boolean;
  readonly state: 'running' | 'done' | 'failed';
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly reason: string | null;
  readonly counts: ReconciliationCounts;
  /** At most `findingsPerKind` of each kind; the counts are whole. */
  readonly findings: readonly Finding[];
}

export const findingsPerKind = 200;
/** A run that has not shown itself for so long died with its process. */
const leaseMs = 120_000;
const keptDays = 90;

const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const columns = `id, recipient, asked_by AS "askedBy", dry_run AS "dryRun", state, ${iso('started_at')} AS "startedAt",
  ${iso('ended_at')} AS "endedAt", reason, counts, findings`;

/** Reports of comparisons with partners, newest last; at most one of a recipient runs, whatever the number of processes. */
export class ReconciliationReports {
  readonly #pool: Pool;
  readonly #controller: ControllerId;

  constructor(pool: Pool, controller: ControllerId) {
    this.#pool = pool;
    this.#controller = controller;
  }

  /** @returns the id of the new run, or null while another one runs */
  async begin(
    recipient: RecipientId,
    askedBy: ReconciliationReport['askedBy'],
    dryRun = false,
  ): Promise<string | null> {
    await this.#pool.query(
      `UPDATE reconciliation SET state = 'failed', reason = 'abandoned', ended_at = clock_timestamp()
        WHERE controller = $1 AND recipient = $2 AND state = 'running' AND lease_until < clock_timestamp()`,
      [this.#controller, recipient],
    );
    const { rows } = await this.#pool.query<{ id: string }>(
      `INSERT INTO reconciliation (id, controller, recipient, asked_by, counts, lease_until, dry_run)
       VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 ms', $7) ON CONFLICT DO NOTHING RETURNING id`,
      [randomUUID(), this.#controller, recipient, askedBy, JSON.stringify(noCounts), leaseMs, dryRun],
    );
    return rows[0]?.id ?? null;
  }

  /** @returns false when the run was taken for dead meanwhile and must stop */
  async progress(id: string, counts: ReconciliationCounts, findings: readonly Finding[]): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      `UPDATE reconciliation SET counts = $2, findings = $3, lease_until = clock_timestamp() + $4 * interval '1 ms'
        WHERE id = $1 AND state = 'running'`,
      [id, JSON.stringify(counts), JSON.stringify(findings), leaseMs],
    );
    return rowCount === 1;
  }

  async end(id: string, state: 'done' | 'failed', reason: string | null): Promise<void> {
    await this.#pool.query(
      `UPDATE reconciliation SET state = $2, reason = $3, ended_at = clock_timestamp() WHERE id = $1 AND state = 'running'`,
      [id, state, reason],
    );
    await this.#pool.query(
      `DELETE FROM reconciliation WHERE controller = $1 AND started_at < clock_timestamp() - $2 * interval '1 day'`,
      [this.#controller, keptDays],
    );
  }

  async newest(recipient: string): Promise<ReconciliationReport | null> {
    const { rows } = await this.#pool.query<ReconciliationReport>(
      `SELECT ${columns} FROM reconciliation WHERE controller = $1 AND recipient = $2 ORDER BY started_at DESC LIMIT 1`,
      [this.#controller, recipient],
    );
    return rows[0] ?? null;
  }

  /** Milliseconds since the newest run that could repair began; null when there never was one. */
  async sinceNewestMs(recipient: RecipientId): Promise<number | null> {
    const { rows } = await this.#pool.query<{ ms: number | null }>(
      `SELECT (extract(epoch FROM clock_timestamp() - max(started_at)) * 1000)::float8 AS ms
         FROM reconciliation WHERE controller = $1 AND recipient = $2 AND NOT dry_run`,
      [this.#controller, recipient],
    );
    return rows[0]?.ms ?? null;
  }

  /** The last whole comparison of each recipient, for the gauges. */
  async lastDone(): Promise<{ recipient: string; endedSeconds: number; counts: ReconciliationCounts }[]> {
    const { rows } = await this.#pool.query<{
      recipient: string;
      endedSeconds: number;
      counts: ReconciliationCounts;
    }>(
      `SELECT DISTINCT ON (recipient) recipient, extract(epoch FROM ended_at)::float8 AS "endedSeconds", counts
         FROM reconciliation WHERE controller = $1 AND state = 'done' AND NOT dry_run ORDER BY recipient, started_at DESC`,
      [this.#controller],
    );
    return rows;
  }
}
