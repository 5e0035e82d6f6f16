import { ledgerFileEnd, ledgerFileStart } from '@entente/contracts';
import type { BadEntry, ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

/** Entries per statement; the server joins their lines, so that the driver reads one value for all of them. */
const pageSize = 4_000;

/**
 * The lines of `ledgerFileLine`, made by the server. Where an entry's row or text is gone without having been erased stands
 * `!`, which no reader takes for an entry.
 */
const pageSql = `
  SELECT string_agg(line, '' ORDER BY number) AS lines, max(number) AS last, count(*)::int AS entries FROM (
    SELECT c.number, concat(c.number, E'\\t', encode(c.commitment, 'hex'), E'\\t', encode(c.hash, 'hex'), E'\\t',
             CASE WHEN e.id IS NULL OR (e.entry IS NULL AND e.erased_at IS NULL) THEN E'!\\t!'
                  WHEN e.entry IS NULL OR e.controller <> $2::text THEN E'-\\t-'
                  ELSE concat(COALESCE(encode(e.salt, 'hex'), '-'), E'\\t', e.entry) END, E'\\n') AS line
      FROM ledger_chain c LEFT JOIN ledger_entry e ON e.id = c.entry_id
     WHERE c.number > $1 ORDER BY c.number LIMIT ${pageSize}) page`;

interface Page {
  readonly lines: string | null;
  readonly last: number | null;
  readonly entries: number;
}

/**
 * The whole ledger as a text (libs/contracts, ledger-file). To a controller, the contents of the others' entries are
 * commitments alone: it can verify every entry's place, and what its own say.
 */
export async function* ledgerText(pool: Pool, controller: ControllerId | null): AsyncGenerator<Buffer, void, void> {
  const read = async (after: number): Promise<Page> => {
    const { rows } = await pool.query<Page>({ name: 'ledger-page', text: pageSql, values: [after, controller] });
    return rows[0] ?? { lines: null, last: null, entries: 0 };
  };
  yield Buffer.from(ledgerFileStart);
  let entries = 0;
  let next = read(0);
  for (let page = await next; page.last !== null; page = await next) {
    // The next page is made while this one is read. Its failure is thrown where it is awaited; a reader who stops before
    // must not leave it unhandled.
    next = read(page.last);
    next.catch(() => undefined);
    entries += page.entries;
    yield Buffer.from(page.lines ?? '');
  }
  yield Buffer.from(ledgerFileEnd(entries));
}

const rowsAtOnce = 20_000;

/** A row whose columns, by which the service looks things up, say something else than the text beside them. */
const strayRowSql = `
  SELECT count(*)::int AS rows, max(number) AS last, min(number) FILTER (WHERE NOT fits) AS stray FROM (
    SELECT c.number, e.entry IS NULL OR COALESCE(
             j ->> 'changeId' = e.change_id::text AND j ->> 'controller' = e.controller
             AND j ->> 'subjectKey' = e.subject_key AND (j ->> 'version')::bigint = e.version
             AND (j ->> 'committedAt')::timestamptz = e.committed_at
             AND ARRAY(SELECT c ->> 'purpose' FROM jsonb_array_elements(j -> 'changes') c) = e.purposes, false) AS fits
      FROM (SELECT number, entry_id FROM ledger_chain WHERE number > $1 ORDER BY number LIMIT ${rowsAtOnce}) c
      JOIN ledger_entry e ON e.id = c.entry_id
           CROSS JOIN LATERAL (SELECT CASE WHEN e.entry IS JSON OBJECT THEN e.entry::jsonb END AS j)) rows`;

const lostSql = `
  SELECT e.change_id AS "changeId" FROM ledger_entry e
   WHERE NOT EXISTS (SELECT 1 FROM ledger_chain c WHERE c.entry_id = e.id)
     AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.entry_id = e.id)
   ORDER BY e.id LIMIT 1`;

/** What only the database itself can tell: the first entry whose columns were changed, or a change that lost its number. */
export async function firstStrayRow(pool: Pool): Promise<BadEntry | null> {
  let after = 0;
  for (;;) {
    const { rows } = await pool.query<{ rows: number; last: number | null; stray: number | null }>(strayRowSql, [
      after,
    ]);
    const [page] = rows;
    if (page?.last === undefined || page.last === null) break;
    if (page.stray !== null)
      return { number: page.stray, fault: 'stored', detail: 'its row says something else than its text' };
    after = page.last;
  }
  const { rows: lost } = await pool.query<{ changeId: string }>(lostSql);
  return lost[0] === undefined
    ? null
    : { number: after + 1, fault: 'stored', detail: `the change ${lost[0].changeId} has no number and waits for none` };
}
