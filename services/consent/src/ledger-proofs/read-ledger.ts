import { ledgerFileEnd, ledgerFileStart } from '@entente/contracts';
import type { BadEntry, ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';

/** Entries per statement; the server joins their lines, so that the driver reads one value for all of them. */
const pageSize = 4_000;

/** As entries write instants. */
const committedAt = `to_char(e.committed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** What a row's columns, by which the service looks things up, say of its entry; a blank line where the text is gone. */
const columns = `CASE WHEN e.entry IS NULL THEN '' ELSE concat_ws(E'\\t', e.change_id, e.controller, e.subject_key, e.version,
  ${committedAt}, array_to_json(e.purposes)) END`;

/**
 * The lines of `ledgerFileLine`, made by the server. Where an entry's row or text is gone without having been erased stands
 * `!`, which no reader takes for an entry. The page is cut before it is joined: no plan for the whole table.
 */
const pageSql = (more: string): string => `
  SELECT string_agg(line, '' ORDER BY number) AS lines, max(number) AS last, count(*)::int AS entries,
         ${more === '' ? 'NULL' : `string_agg(more, E'\\n' ORDER BY number)`} AS columns FROM (
    SELECT c.number, concat(c.number, E'\\t', encode(c.commitment, 'hex'), E'\\t', encode(c.hash, 'hex'), E'\\t',
             CASE WHEN e.id IS NULL OR (e.entry IS NULL AND e.erased_at IS NULL) THEN E'!\\t!'
                  WHEN e.entry IS NULL OR e.controller <> $2::text THEN E'-\\t-'
                  ELSE concat(COALESCE(encode(e.salt, 'hex'), '-'), E'\\t', e.entry) END, E'\\n') AS line
           ${more === '' ? '' : `, ${more} AS more`}
      FROM (SELECT number, entry_id, commitment, hash FROM ledger_chain
             WHERE number > $1 ORDER BY number LIMIT ${pageSize}) c
           LEFT JOIN ledger_entry e ON e.id = c.entry_id) page`;

const textOnly = { name: 'ledger-page', text: pageSql('') };
const withColumns = { name: 'ledger-page-stored', text: pageSql(columns) };

interface Page {
  readonly lines: string;
  readonly last: number;
  readonly entries: number;
  readonly columns: string | null;
}

async function* pagesOf(
  pool: Pool,
  statement: { readonly name: string; readonly text: string },
  controller: ControllerId | null,
): AsyncGenerator<Page, void, void> {
  const read = async (after: number): Promise<Page | null> => {
    const { rows } = await pool.query<Page | { readonly last: null }>({ ...statement, values: [after, controller] });
    return rows[0] === undefined || rows[0].last === null ? null : rows[0];
  };
  let next = read(0);
  for (let page = await next; page !== null; page = await next) {
    // The next page is made while this one is read. Its failure is thrown where it is awaited; a reader who stops before
    // must not leave it unhandled.
    next = read(page.last);
    next.catch(() => undefined);
    yield page;
  }
}

/**
 * The whole ledger as a text (libs/contracts, ledger-file). To a controller, the contents of the others' entries are
 * commitments alone: it can verify every entry's place, and what its own say.
 */
export async function* ledgerText(pool: Pool, controller: ControllerId | null): AsyncGenerator<Buffer, void, void> {
  yield Buffer.from(ledgerFileStart);
  let entries = 0;
  for await (const page of pagesOf(pool, textOnly, controller)) {
    entries += page.entries;
    yield Buffer.from(page.lines);
  }
  yield Buffer.from(ledgerFileEnd(entries));
}

const lostSql = `
  SELECT e.change_id AS "changeId" FROM ledger_entry e
   WHERE NOT EXISTS (SELECT 1 FROM ledger_chain c WHERE c.entry_id = e.id)
     AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.entry_id = e.id)
   ORDER BY e.id LIMIT 1`;

/** The ledger as it stands in the database, every controller's: its text, and what only the database itself can tell. */
export class StoredLedger {
  readonly #pool: Pool;
  #stray: BadEntry | null = null;
  #entries = 0;
  #isWhole = false;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** As `ledgerText`; compares each row's columns with its text on the way. */
  async *text(): AsyncGenerator<Buffer, void, void> {
    yield Buffer.from(ledgerFileStart);
    for await (const page of pagesOf(this.#pool, withColumns, null)) {
      this.#entries += page.entries;
      this.#stray ??= firstStrayIn(page);
      yield Buffer.from(page.lines);
    }
    this.#isWhole = true;
    yield Buffer.from(ledgerFileEnd(this.#entries));
  }

  /** The first entry, as far as the text was read, whose columns were changed; after all of it, a change that lost its number. */
  async firstStrayRow(): Promise<BadEntry | null> {
    if (this.#stray !== null || !this.#isWhole) return this.#stray;
    const { rows } = await this.#pool.query<{ changeId: string }>(lostSql);
    return rows[0] === undefined
      ? null
      : {
          number: this.#entries + 1,
          fault: 'stored',
          detail: `the change ${rows[0].changeId} has no number and waits for none`,
        };
  }
}

/** Columns that hold a line break, which none of ours does, end their line early and so differ as well. */
function firstStrayIn({ lines, columns }: Page): BadEntry | null {
  const stored = columns?.split('\n') ?? [];
  let from = 0;
  for (let row = 0, to = lines.indexOf('\n'); to !== -1; row += 1, to = lines.indexOf('\n', from)) {
    const text = lines.slice(lines.lastIndexOf('\t', to) + 1, to);
    if (stored[row] !== '' && stored[row] !== columnsIn(text))
      return {
        number: Number(lines.slice(from, lines.indexOf('\t', from))),
        fault: 'stored',
        detail: 'its row says something else than its text',
      };
    from = to + 1;
  }
  return null;
}

/** What the columns of an entry with this text are; null for what is no entry. */
function columnsIn(text: string): string | null {
  const entry = parsed(text);
  if (entry === null) return null;
  const { changeId, controller, subjectKey, version, committedAt: at, changes } = entry;
  const purposes = Array.isArray(changes)
    ? changes.map((change: { purpose?: unknown } | null) => change?.purpose)
    : null;
  return [changeId, controller, subjectKey, version, at, JSON.stringify(purposes)].join('\t');
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // Not JSON: its commitment says so too, with the better name for it.
    return null;
  }
}
