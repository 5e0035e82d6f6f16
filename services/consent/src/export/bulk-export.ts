import type { ConsentVector, ControllerId, KeyRing, PurposeState, SubjectKey } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import { inKeyOrder } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import type { AdminLog } from '../admin-log/admin-log.ts';
import { openIdentifiersOrNull } from '../identifiers/open-stored.ts';

/** People per statement: some milliseconds each, so that no snapshot of the database is held for long. */
const pageSize = 500;

const pageSql = `
  SELECT s.subject_key AS "subjectKey", s.version, s.vector, s.identifiers_sealed AS sealed, k.wrapped,
         CASE WHEN s.vector = '{}' THEN to_char(s.erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END AS "erasedAt"
    FROM subject s LEFT JOIN subject_secret k USING (controller, subject_key)
   WHERE s.controller = $1 AND s.subject_key > $2 AND s.version > 0
   ORDER BY s.subject_key LIMIT $3`;

interface Row {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly vector: ConsentVector;
  readonly sealed: string | null;
  readonly wrapped: string | null;
  readonly erasedAt: string | null;
}

export interface ExportWishes {
  /** Begin after this person. */
  readonly after: SubjectKey | null;
  /** Most people; all where it is null. */
  readonly limit: number | null;
  /** With e-mail addresses and telephone numbers. */
  readonly identifiers: boolean;
}

export interface BulkExportParts {
  readonly pool: Pool;
  readonly identifierKeys: KeyRing;
  readonly adminLog: Pick<AdminLog, 'noteExport'>;
  readonly log: Logger;
}

/**
 * All people of a controller as NDJSON, in the order of their keys, a page at a time: it takes no more memory for a million
 * people than for a thousand. Each line is true of some moment while the export ran, and the last key read is where to go on.
 */
export class BulkExport {
  readonly #parts: BulkExportParts;

  constructor(parts: BulkExportParts) {
    this.#parts = parts;
  }

  /** @param client who asks; noted in the admin log before the first line, and in the service's own with how much they were given */
  async *text(controller: ControllerId, client: string, wishes: ExportWishes): AsyncGenerator<string, void, void> {
    const { pool, adminLog, log } = this.#parts;
    let people = 0;
    await adminLog.noteExport(controller, client, wishes);
    log.info({ controller, client, identifiers: wishes.identifiers }, 'export begun');
    try {
      let after: string = wishes.after ?? '';
      for (let left = wishes.limit ?? Infinity; left > 0;) {
        const rows: Row[] = await inKeyOrder<Row>(pool, {
          ...{ name: 'export-page', text: pageSql, values: [controller, after, Math.min(pageSize, left)] },
        });
        const lines = await Promise.all(rows.map((row) => this.#line(controller, row, wishes)));
        after = rows.at(-1)?.subjectKey ?? after;
        left = rows.length < pageSize ? 0 : left - rows.length;
        people += rows.length;
        if (lines.length > 0) yield lines.join('');
      }
    } finally {
      log.info({ controller, client, people }, 'export ended');
    }
  }

  async #line(controller: ControllerId, row: Row, { identifiers }: ExportWishes): Promise<string> {
    const { subjectKey, version, vector, sealed, wrapped, erasedAt } = row;
    const known =
      sealed === null
        ? null
        : await openIdentifiersOrNull(this.#parts.identifierKeys, { controller, subjectKey, sealed, wrapped }, (err) =>
            this.#parts.log.error({ err, controller, subjectKey }, 'stored identifiers cannot be opened'),
          );
    const { subjectId, ...told } = known ?? {};
    const line = {
      ...(subjectId === undefined ? {} : { subjectId }),
      ...{ subjectKey, version },
      ...(erasedAt === null ? {} : { erasedAt }),
      decisions: decisionsOf(vector),
      ...(identifiers && Object.keys(told).length > 0 ? { identifiers: told } : {}),
    };
    return `${JSON.stringify(line)}\n`;
  }
}

/** In order of name, in the words of `POST /v1/consents`. */
const decisionsOf = (vector: ConsentVector): object[] =>
  Object.entries<PurposeState>(vector)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([purpose, { refused, ...state }]) => ({
      purpose,
      ...state,
      ...(refused === undefined ? {} : { refusedRecipients: refused }),
    }));
