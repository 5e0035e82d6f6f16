import type { ControllerId, PurposeChange, SubjectKey } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { Actor } from '../ledger/command.ts';

/** One version of a person's consent: what changed, why, and who asked. */
interface HistoryEntry {
  readonly changeId: string;
  readonly version: number;
  readonly committedAt: string;
  readonly direction: 'deny' | 'grant';
  readonly changes: readonly PurposeChange[];
  readonly actor: Actor;
  readonly method?: string;
  readonly channel?: string;
}

export interface HistoryPage {
  readonly subjectKey: SubjectKey;
  /** Newest first. */
  readonly entries: readonly HistoryEntry[];
  /** The version the next page is below; absent on the last page. */
  readonly below?: number;
  /** The newest version there is. */
  readonly version: number;
}

const whoseSql = `
  SELECT subject_key AS "subjectKey", version FROM subject
   WHERE controller = $1 AND subject_key = ANY ($2) AND version > 0
   ORDER BY array_position($2, subject_key) LIMIT 1`;

const pageSql = `
  SELECT 'chg_' || change_id AS "changeId", version, e.entry -> 'changes' AS changes, e.entry ->> 'direction' AS direction,
         e.entry ->> 'committedAt' AS "committedAt", e.entry -> 'actor' AS actor, e.entry ->> 'method' AS method,
         e.entry ->> 'channel' AS channel
    FROM (SELECT change_id, version, entry::jsonb AS entry FROM ledger_entry
           WHERE controller = $1 AND subject_key = $2 AND version < $3 AND entry IS NOT NULL ORDER BY version DESC LIMIT $4) e`;

interface EntryRow extends Omit<HistoryEntry, 'method' | 'channel'> {
  readonly method: string | null;
  readonly channel: string | null;
}

/** A person's history from the ledger, in keyset pages (H-4). */
export class HistoryReader {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Null when nothing was ever recorded. */
  async page(
    controller: ControllerId,
    candidates: readonly SubjectKey[],
    { below = Number.MAX_SAFE_INTEGER, limit }: { readonly below?: number | undefined; readonly limit: number },
  ): Promise<HistoryPage | null> {
    const whose = await this.#pool.query<{ subjectKey: SubjectKey; version: number }>(whoseSql, [
      controller,
      candidates,
    ]);
    const [subject] = whose.rows;
    if (subject === undefined) return null;
    const { rows } = await this.#pool.query<EntryRow>(pageSql, [controller, subject.subjectKey, below, limit + 1]);
    const entries = rows.slice(0, limit).map(({ method, channel, ...entry }) => ({
      ...entry,
      ...(method === null ? {} : { method }),
      ...(channel === null ? {} : { channel }),
    }));
    const last = entries.at(-1);
    return { ...subject, entries, ...(rows.length > limit && last !== undefined ? { below: last.version } : {}) };
  }
}
