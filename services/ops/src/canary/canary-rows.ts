import { randomUUID } from 'node:crypto';
import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { CanaryResult } from './judge-run.ts';

/** A run is over by then, or its process is. */
const claimMs = 180_000;
/** Runs are kept for so long. */
const keptDays = 7;
/** What the tracker learned of a canary is of use while its run lasts, and to whoever looks into one. */
const trackedHours = 24;

export interface EndedRun {
  readonly result: CanaryResult;
  readonly reason: string | null;
  readonly changeId: string | null;
  readonly arrivedMs: number | null;
  readonly gateMs: number | null;
  readonly acceptedMs: number | null;
  /** What became of the item offered after the withdrawal. */
  readonly refused: string | null;
}

/** Rows of canaries and their runs; whoever claims a canary runs it, whatever the number of instances. */
export class CanaryRows {
  constructor(
    private readonly pool: Pool,
    private readonly controller: ControllerId,
  ) {}

  /** From then on the tracker keeps what it hears of this person apart. */
  async register(recipient: string, subjectId: string, subjectKey: string): Promise<void> {
    await this.pool.query(
      `INSERT INTO canary (controller, recipient, subject_id, subject_key) VALUES ($1, $2, $3, $4)
       ON CONFLICT (controller, recipient) DO UPDATE SET subject_id = excluded.subject_id, subject_key = excluded.subject_key
       WHERE (canary.subject_id, canary.subject_key) <> (excluded.subject_id, excluded.subject_key)`,
      [this.controller, recipient, subjectId, subjectKey],
    );
  }

  async registered(): Promise<Set<string>> {
    const { rows } = await this.pool.query<{ recipient: string }>(
      'SELECT recipient FROM canary WHERE controller = $1',
      [this.controller],
    );
    return new Set(rows.map(({ recipient }) => recipient));
  }

  /** @returns the new run's id; null when it is not due, or another run of it is under way */
  async claim(recipient: string, askedBy: string, whenDue: boolean): Promise<string | null> {
    const { rows } = await this.pool.query<{ id: string }>(
      `WITH claimed AS (
         UPDATE canary SET claimed_until = clock_timestamp() + make_interval(secs => $4 / 1000.0)
         WHERE controller = $1 AND recipient = $2 AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
           AND (NOT $3 OR due_at <= clock_timestamp()) RETURNING recipient)
       INSERT INTO canary_run (id, controller, recipient, asked_by) SELECT $5, $1, recipient, $6 FROM claimed RETURNING id`,
      [this.controller, recipient, whenDue, claimMs, randomUUID(), askedBy],
    );
    return rows[0]?.id ?? null;
  }

  async end(id: string, recipient: string, run: EndedRun, nextInMs: number): Promise<void> {
    await this.pool.query(
      `WITH ended AS (
         UPDATE canary_run SET ended_at = clock_timestamp(), result = $3, reason = $4, change_id = $5, arrived_ms = $6,
           gate_ms = $7, accepted_ms = $8, refused = $9 WHERE id = $2)
       UPDATE canary SET claimed_until = NULL, due_at = clock_timestamp() + make_interval(secs => $10 / 1000.0),
         last_success_at = CASE WHEN $3 = 'ok' THEN clock_timestamp() ELSE last_success_at END
       WHERE controller = $1 AND recipient = $11`,
      [
        this.controller,
        id,
        run.result,
        run.reason,
        run.changeId,
        run.arrivedMs,
        run.gateMs,
        run.acceptedMs,
        run.refused,
        nextInMs,
        recipient,
      ],
    );
  }

  /** An item that left after the gates had closed; one incident, however often it is written. */
  async leaked(recipient: string, purpose: string): Promise<void> {
    await this.pool.query(
      `INSERT INTO leak (controller, subject_key, recipient, purpose, exposed_at, detector)
       SELECT $1, subject_key, recipient, $3, clock_timestamp(), 'canary' FROM canary WHERE controller = $1 AND recipient = $2
       ON CONFLICT DO NOTHING`,
      [this.controller, recipient, purpose],
    );
  }

  /** Some thousand rows at a time: the next call takes the rest. */
  async forgetOld(): Promise<void> {
    await this.pool.query(
      `DELETE FROM canary_run WHERE id IN (SELECT id FROM canary_run WHERE controller = $1
         AND started_at < clock_timestamp() - make_interval(days => $2) LIMIT 5000)`,
      [this.controller, keptDays],
    );
    await this.pool.query(
      `WITH old AS (SELECT controller, subject_key, version FROM change
         WHERE canary AND committed_at < clock_timestamp() - make_interval(hours => $1) ORDER BY committed_at LIMIT 5000),
       gone AS (DELETE FROM propagation p USING old
         WHERE p.controller = old.controller AND p.subject_key = old.subject_key AND p.version = old.version)
       DELETE FROM change c USING old
         WHERE c.controller = old.controller AND c.subject_key = old.subject_key AND c.version = old.version`,
      [trackedHours],
    );
  }
}
