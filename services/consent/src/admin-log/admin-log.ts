import type { ControllerId, SubjectKey } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

/** One act on the record: who may see it, and what the chain proves of it. */
interface AdminEntry {
  readonly number: number;
  readonly act: string;
  /** ISO 8601 in UTC. */
  readonly at: string;
  /** The database's role that did it. */
  readonly role: string;
  readonly details: object;
  /** The chain's link at this number, in hex. */
  readonly hash: string;
}

export interface AdminPage {
  /** Newest first. */
  readonly entries: readonly AdminEntry[];
  /** The number that the next page is below; absent on the last page. */
  readonly next?: number;
}

/** What of an export's wishes is noted. */
interface NotedExport {
  readonly after: SubjectKey | null;
  readonly limit: number | null;
  readonly identifiers: boolean;
}

/** Of the keys of audiences those of this controller's own recipients: whom others share with is not its business. */
const ownAudiences = (member: string): string => `
  '${member}', COALESCE((SELECT jsonb_object_agg(a.key, a.value) FROM jsonb_each(e.entry::jsonb #> '{details,${member}}') a
    WHERE a.key IN (SELECT r.document ->> 'audience' FROM recipient r WHERE r.controller = $1)), '{}')`;

/** A controller's own acts, and those on the whole installation. */
const pageSql = `
  SELECT number, e.entry::jsonb ->> 'act' AS act, e.entry::jsonb ->> 'at' AS at, e.entry::jsonb ->> 'role' AS role,
         CASE WHEN e.entry::jsonb ->> 'act' = 'keys-in-use'
              THEN (e.entry::jsonb -> 'details') || jsonb_build_object(${ownAudiences('audiences')}, ${ownAudiences('shares')})
              ELSE e.entry::jsonb -> 'details' END AS details, encode(hash, 'hex') AS hash
    FROM admin_entry e WHERE (controller = $1 OR controller IS NULL) AND number < $2 ORDER BY number DESC LIMIT $3`;

const noteExportSql = 'SELECT note_export($1, $2, $3, $4, $5)';
const noteKeysSql = 'SELECT note_keys_in_use($1::jsonb)';

/** AUDIT: what was done to the record. The database writes it (migration AdminLog); only keys and exports are told by the service. */
export class AdminLog {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** H-4: in keyset pages. */
  async page(controller: ControllerId, { below, limit }: { below: number; limit: number }): Promise<AdminPage> {
    const { rows } = await this.#pool.query<AdminEntry>(pageSql, [controller, below, limit + 1]);
    const entries = rows.slice(0, limit);
    const last = entries.at(-1);
    return { entries, ...(rows.length > limit && last !== undefined ? { next: last.number } : {}) };
  }

  /** Before the first line leaves: an export that cannot be noted is not given. */
  async noteExport(
    controller: ControllerId,
    client: string,
    { identifiers, after, limit }: NotedExport,
  ): Promise<void> {
    await this.#pool.query(noteExportSql, [controller, client, identifiers, after, limit]);
  }

  /** Names of the keys in use, never the keys: an entry whenever they are others than before. */
  async noteKeys(names: object): Promise<void> {
    await this.#pool.query(noteKeysSql, [JSON.stringify(names)]);
  }
}
