import { setTimeout as pause } from 'node:timers/promises';
import type { ControllerId, KeyRing, SubjectKey } from '@entente/contracts';
import type { Logger, Metrics } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import { renewDataKey } from './renew-data-key.ts';

/** Entries looked at in one transaction: it locks at most as many subjects, and ends long before the writers' second (REC-2). */
const batchSize = 50;
/** Pause after a full batch, in milliseconds: some hundred entries a second, whatever has piled up. */
const breatheMs = 100;
/** Pause when nothing more is due, in milliseconds. Proofs are kept for years: an hour more is within what was promised. */
const pauseMs = 3_600_000;

/** One instance at a time; another finds the row locked and has nothing to do. */
const placeSql = 'SELECT looked_at AS "lookedAt" FROM proof_retention FOR UPDATE SKIP LOCKED';

/**
 * The next entries in the order they were written, as far as their time is over and all before them have numbers: the
 * commitment to a text is made when it gets its number, and only then can the text go.
 */
const dueSql = `
  SELECT id::text AS id, controller, subject_key AS "subjectKey", version FROM ledger_entry
   WHERE id > $1 AND committed_at < clock_timestamp() - make_interval(secs => $2)
     AND id < COALESCE((SELECT min(entry_id) FROM ledger_pending), 9223372036854775807)
   ORDER BY id LIMIT ${batchSize}`;

const granted = `'$.*.decision ? (@ == "granted")'`;

/**
 * Those among them whose last decision it is, and who have nothing granted any more, under any id of theirs. The lock keeps a decision of this
 * moment apart: it comes before, and then the entry is not the last, or after.
 */
const endedSql = `
  SELECT s.controller, s.subject_key AS "subjectKey", s.version, s.identifiers_sealed AS sealed, k.wrapped
    FROM jsonb_to_recordset($1::jsonb) AS n(controller text, "subjectKey" text, version bigint)
    JOIN subject s ON s.controller = n.controller AND s.subject_key = n."subjectKey" AND s.version = n.version
    LEFT JOIN subject_secret k ON k.controller = s.controller AND k.subject_key = s.subject_key
   WHERE NOT jsonb_path_exists(s.vector, ${granted})
     AND NOT EXISTS (
           SELECT 1 FROM subject_link l JOIN subject_link m ON m.controller = l.controller AND m.circle = l.circle
             JOIN subject o ON o.controller = m.controller AND o.subject_key = m.subject_key
            WHERE l.controller = s.controller AND l.subject_key = s.subject_key AND jsonb_path_exists(o.vector, ${granted}))
   ORDER BY s.controller, s.subject_key
     FOR UPDATE OF s`;

const destroySql = `
  WITH destroyed AS (
    SELECT n.controller, n."subjectKey" AS subject_key, n.version,
           erase_ledger_contents(n.controller, n."subjectKey", n.version) AS entries
      FROM jsonb_to_recordset($1::jsonb) AS n(controller text, "subjectKey" text, version bigint)
  ), noted AS (
    INSERT INTO proof_destroyed (controller, subject_key, below_version)
    SELECT controller, subject_key, version FROM destroyed ON CONFLICT DO NOTHING)
  SELECT COALESCE(sum(entries), 0)::int AS entries FROM destroyed`;

const moveSql = 'UPDATE proof_retention SET looked_at = $1';

interface DueRow {
  readonly id: string;
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly version: number;
}

interface EndedRow extends Omit<DueRow, 'id'> {
  readonly sealed: string | null;
  readonly wrapped: string | null;
}

export interface ProofRetentionParts {
  /** Of its own and with the writers' limits: it locks subjects as they do. */
  readonly pool: Pool;
  readonly identifierKeys: KeyRing;
  /** How long proof is kept after a person's last decision, when that left nothing granted. */
  readonly keptForMs: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * G-11: destroys what proves a consent a configured time after it ended. Of a person who has nothing granted, and decided
 * nothing since, the ledger loses what it says below their last entry, and a new data key takes the place of the one that
 * opened the personal parts of their evidence. That last entry, the refusal and its version stay: they are still obeyed.
 *
 * It walks the ledger once, in the order of writing: whoever decides again has a later entry, which is met when its own time
 * is over. Nothing is asked of the write path for it.
 */
export class ProofRetention {
  readonly #parts: ProofRetentionParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: ProofRetentionParts) {
    this.#parts = parts;
    parts.metrics.counter('consent_proofs_destroyed_total').add(0);
  }

  start(): void {
    this.#running = this.#round().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), pauseMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #round(): Promise<void> {
    try {
      while (!this.#stopped && (await this.destroyDue()) === batchSize) await pause(breatheMs);
    } catch (err) {
      this.#parts.log.warn({ err }, 'proofs whose time is over are not destroyed, it is tried again');
    }
  }

  /** One batch. @returns how many entries it looked at; 0 also while another instance is at it */
  async destroyDue(): Promise<number> {
    const { pool, keptForMs, log, metrics } = this.#parts;
    const { looked, people, entries } = await inTransaction(pool, async (tx) => {
      const place = await tx.query<{ lookedAt: string }>(placeSql);
      const from = place.rows[0]?.lookedAt;
      if (from === undefined) return nothing;
      const { rows } = await tx.query<DueRow>(dueSql, [from, keptForMs / 1_000]);
      const last = rows.at(-1);
      if (last === undefined) return nothing;
      const ended = await tx.query<EndedRow>(endedSql, [JSON.stringify(rows)]);
      const gone = ended.rows.length === 0 ? 0 : await this.#destroy(tx, ended.rows);
      await tx.query(moveSql, [last.id]);
      return { looked: rows.length, people: ended.rows.length, entries: gone };
    });
    metrics.counter('consent_proofs_destroyed_total').add(people);
    if (people > 0) log.info({ people, entries }, 'proofs destroyed, the time they are kept for was over');
    return looked;
  }

  async #destroy(tx: PoolClient, people: readonly EndedRow[]): Promise<number> {
    for (const person of people) await renewDataKey(tx, this.#parts, person);
    const { rows } = await tx.query<{ entries: number }>(destroySql, [
      JSON.stringify(people.map(({ controller, subjectKey, version }) => ({ controller, subjectKey, version }))),
    ]);
    return rows[0]?.entries ?? 0;
  }
}

const nothing = { looked: 0, people: 0, entries: 0 };
