import type { ControllerId, PeopleColumns } from '@entente/contracts';
import type { Pool, PoolClient } from '@entente/postgres';
import type { ImportSettings } from './formats/index.ts';

/** How far an import has come, and what became of its rows. */
interface ImportCounts {
  /** Bytes of the file that are settled: where to go on. */
  readonly position: number;
  readonly lines: number;
  readonly rows: number;
  readonly recorded: number;
  readonly unchanged: number;
  /** Of those recorded or unchanged: rows of which something was not taken. */
  readonly partly: number;
  readonly rejected: number;
}

export interface ImportJob extends ImportCounts {
  readonly id: string;
  readonly controller: ControllerId;
  readonly client: string;
  readonly settings: ImportSettings;
  /** Of a CSV file whose first line has been read. */
  readonly columns: PeopleColumns | null;
  readonly state: 'open' | 'done';
  /** Bytes of the whole file, where they were told. */
  readonly total: number | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface Reject {
  readonly line: number;
  /** What could be recorded of the row was. */
  readonly partly: boolean;
  readonly reason: string;
}

/** How long an import is its holder's after each step, in seconds; longer than the longest pause of an upload. */
const heldSeconds = 40;
/** How long an import and its rejects are kept after its last step, in days. */
const keptDays = 30;
const rejectsPerPage = 5_000;

const fields = `id, controller, client, settings, columns, state, position, lines, total, rows, recorded, unchanged, partly,
  rejected, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt",
  to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "updatedAt"`;

const isOver = `j.updated_at < clock_timestamp() - interval '${keptDays} days'`;

/** Some at a time, so that no beginning import waits for the rejects of a large one. */
const dropRejectsSql = `
  DELETE FROM import_reject WHERE (import_id, line) IN (
    SELECT r.import_id, r.line FROM import_job j JOIN import_reject r ON r.import_id = j.id WHERE ${isOver} LIMIT 20000)`;

const dropJobsSql = `
  DELETE FROM import_job j WHERE ${isOver} AND NOT EXISTS (SELECT FROM import_reject r WHERE r.import_id = j.id)`;

const createSql = `
  INSERT INTO import_job (id, controller, client, request_key, settings, total) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (controller, client, request_key) WHERE state = 'open' AND request_key IS NOT NULL
  DO UPDATE SET total = COALESCE(excluded.total, import_job.total)
  RETURNING ${fields}`;

const claimSql = `
  UPDATE import_job SET holder = $3, held_until = clock_timestamp() + make_interval(secs => ${heldSeconds})
   WHERE id = $1 AND controller = $2 AND state = 'open' AND (holder IS NULL OR held_until < clock_timestamp())
  RETURNING ${fields}`;

const stepSql = `
  UPDATE import_job
     SET position = $3, lines = $4, rows = $5, recorded = $6, unchanged = $7, partly = $8, rejected = $9,
         columns = COALESCE(columns, $10::jsonb), updated_at = clock_timestamp(),
         held_until = clock_timestamp() + make_interval(secs => ${heldSeconds})
   WHERE id = $1 AND holder = $2`;

const rejectSql = `
  INSERT INTO import_reject (import_id, line, partly, reason)
  SELECT $1, r.line, r.partly, r.reason FROM jsonb_to_recordset($2::jsonb) AS r(line bigint, partly boolean, reason text)
  ON CONFLICT DO NOTHING`;

/** Another process has gone on with this import. */
class ImportTakenOver extends Error {
  override readonly name = 'ImportTakenOver';
}

/** The imports of this database and how far they have come. */
export class ImportStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Begins one, or finds the caller's open one with the same key. Imports whose time is over go. */
  async create(
    job: Pick<ImportJob, 'id' | 'controller' | 'client' | 'settings' | 'total'>,
    requestKey: string | null,
  ): Promise<ImportJob> {
    await this.#pool.query(dropRejectsSql);
    await this.#pool.query(dropJobsSql);
    const { id, controller, client, settings, total } = job;
    const values = [id, controller, client, requestKey, JSON.stringify(settings), total];
    const { rows } = await this.#pool.query<ImportJob>(createSql, values);
    const [created] = rows;
    if (created === undefined) throw new Error('the import was not created');
    return created;
  }

  async find(controller: ControllerId, id: string): Promise<ImportJob | null> {
    const sql = `SELECT ${fields} FROM import_job WHERE controller = $1 AND id = $2`;
    return (await this.#pool.query<ImportJob>(sql, [controller, id])).rows[0] ?? null;
  }

  /** Makes it the holder's alone; null while somebody else holds it, or when it is done. */
  async claim(controller: ControllerId, id: string, holder: string): Promise<ImportJob | null> {
    return (await this.#pool.query<ImportJob>(claimSql, [id, controller, holder])).rows[0] ?? null;
  }

  async release(id: string, holder: string): Promise<void> {
    await this.#pool.query('UPDATE import_job SET holder = NULL, held_until = NULL WHERE id = $1 AND holder = $2', [
      id,
      holder,
    ]);
  }

  /** What was settled since the last step, with its rejects. */
  async step(tx: PoolClient, job: ImportJob, holder: string, rejects: readonly Reject[]): Promise<void> {
    const { position, lines, rows, recorded, unchanged, partly, rejected, columns } = job;
    const counts = [position, lines, rows, recorded, unchanged, partly, rejected];
    const told = columns === null ? null : JSON.stringify(columns);
    const { rowCount } = await tx.query(stepSql, [job.id, holder, ...counts, told]);
    if (rowCount !== 1) throw new ImportTakenOver();
    if (rejects.length > 0) await tx.query(rejectSql, [job.id, JSON.stringify(rejects)]);
  }

  async finish(id: string, holder: string): Promise<void> {
    const sql = `UPDATE import_job SET state = 'done', holder = NULL, held_until = NULL, updated_at = clock_timestamp()
                  WHERE id = $1 AND holder = $2`;
    const { rowCount } = await this.#pool.query(sql, [id, holder]);
    if (rowCount !== 1) throw new ImportTakenOver();
  }

  /** An import of which nothing was taken in leaves nothing behind. */
  async forget(id: string, holder: string): Promise<void> {
    await this.#pool.query('DELETE FROM import_job WHERE id = $1 AND holder = $2 AND lines = 0', [id, holder]);
  }

  /** In the order of the file, a page at a time. */
  async *rejects(id: string): AsyncGenerator<readonly Reject[], void, void> {
    const sql = `SELECT line, partly, reason FROM import_reject WHERE import_id = $1 AND line > $2
                  ORDER BY line LIMIT ${rejectsPerPage}`;
    for (let after = 0, length = rejectsPerPage; length === rejectsPerPage;) {
      const { rows } = await this.#pool.query<Reject>(sql, [id, after]);
      ({ length } = rows);
      after = rows.at(-1)?.line ?? after;
      if (length > 0) yield rows;
    }
  }
}
