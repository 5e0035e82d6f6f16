import { LedgerCheck, ledgerFileEnd, ledgerFileStart } from '@entente/contracts';
import type { BadEntry, ControllerId, LedgerAnchors, LedgerVerdict } from '@entente/contracts';
import { copyRows } from '@entente/postgres';
import type { BinaryRow, Pool } from '@entente/postgres';
import { isOfText } from './entry-row.ts';
import type { EntryRow } from './entry-row.ts';

/** Entries per statement of a text: about 2 MB of it. */
const textPage = 2_000;
/** Entries per statement of a verification; they are looked at one by one while they come. */
const checkPage = 20_000;

/** Those by which the service looks things up: they should say of an entry what its text says. */
const columns = 'e.change_id, e.controller, e.subject_key, e.version, e.committed_at, e.purposes';

/**
 * In binary, which costs the server a tenth of making text. Each entry is looked up by its id, in the order of the chain:
 * left to choose, the server reads the whole table for every page and sorts what it found (OFFSET keeps it from choosing).
 */
const pageSql = (more: string, after: number, entries: number): string => `
  SELECT c.number, c.commitment, c.hash, e.salt, e.entry, e.erased_at IS NOT NULL, ${more}
    FROM (SELECT number, entry_id, commitment, hash FROM ledger_chain
           WHERE number > ${after} ORDER BY number LIMIT ${entries}) c
         LEFT JOIN LATERAL (SELECT * FROM ledger_entry WHERE id = c.entry_id OFFSET 0) e ON true
   ORDER BY c.number`;

interface Entry {
  readonly number: number;
  readonly commitment: Buffer;
  readonly link: Buffer;
  readonly salt: Buffer | null;
  readonly text: Buffer | null;
  /** Its row or text is gone without having been erased. */
  readonly isLost: boolean;
}

/** How many columns a page has before those asked for. */
const ownColumns = 6;

function entryOf([number, commitment, link, salt = null, text = null, erased]: BinaryRow): Entry {
  if (!number || !commitment || !link)
    throw new Error('a column of the ledger’s chain is empty, which its table forbids');
  const isLost = text === null && erased?.[0] !== 1;
  return { number: Number(number.readBigInt64BE()), commitment, link, salt, text, isLost };
}

/** Of a page that was asked for `columns`; null where one is empty, which their table forbids. */
function rowOf(row: BinaryRow): EntryRow | null {
  const [, , , , , , changeId, controller, subjectKey, version, committedAt, purposes] = row;
  if (!changeId || !controller || !subjectKey || !version || !committedAt || !purposes) return null;
  return { changeId, controller, subjectKey, version, committedAt, purposes };
}

/**
 * The whole ledger as a text (libs/contracts, ledger-file). To a controller, the contents of the others' entries are
 * commitments alone: it can verify every entry's place, and what its own say. Where an entry is lost stands `!`, which no
 * reader takes for an entry.
 */
export async function* ledgerText(pool: Pool, controller: ControllerId | null): AsyncGenerator<Buffer, void, void> {
  yield Buffer.from(ledgerFileStart);
  const own = controller === null ? null : Buffer.from(controller);
  const read = async (after: number) => {
    const page = { lines: new GrowingText(), entries: 0, last: after };
    await copyRows(pool, pageSql('e.controller', after, textPage), (row) => {
      const entry = entryOf(row);
      page.entries += 1;
      page.last = entry.number;
      writeLine(page.lines, entry, own === null || row[ownColumns]?.equals(own) === true);
    });
    return page;
  };
  let [entries, next] = [0, read(0)];
  for (let page = await next; page.entries > 0; page = await next) {
    entries += page.entries;
    // The next page is made while this one is read. Its failure is thrown where it is awaited; a reader who stops before
    // must not leave it unhandled.
    next = read(page.last);
    next.catch(() => undefined);
    yield page.lines.bytes();
  }
  yield Buffer.from(ledgerFileEnd(entries));
}

function writeLine(to: GrowingText, { number, commitment, link, salt, text, isLost }: Entry, isOwn: boolean): void {
  to.write(`${number}\t${commitment.toString('hex')}\t${link.toString('hex')}\t`);
  if (isLost) to.write('!\t!\n');
  else if (text === null || !isOwn) to.write('-\t-\n');
  else {
    to.write(`${salt?.toString('hex') ?? '-'}\t`);
    to.append(text);
    to.write('\n');
  }
}

/** Text in one buffer, which is made twice as large whenever it is full. */
class GrowingText {
  #bytes = Buffer.allocUnsafe(1 << 20);
  #length = 0;

  /** Of characters up to U+007F. */
  write(text: string): void {
    this.#makeRoom(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  append(text: Buffer): void {
    this.#makeRoom(text.length);
    this.#length += text.copy(this.#bytes, this.#length);
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #makeRoom(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.bytes().copy(larger);
    this.#bytes = larger;
  }
}

const lostSql = `
  SELECT e.change_id AS "changeId" FROM ledger_entry e
   WHERE NOT EXISTS (SELECT 1 FROM ledger_chain c WHERE c.entry_id = e.id)
     AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.entry_id = e.id)
   ORDER BY e.id LIMIT 1`;

/** The ledger as it stands in the database, every controller's, and what only the database itself can tell. */
export class StoredLedger {
  readonly #pool: Pool;
  #stray: BadEntry | null = null;
  #entries = 0;
  #isWhole = false;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** As `verifyLedgerFile` would its text; compares each row's columns with its text on the way. */
  async verify(anchors: LedgerAnchors): Promise<LedgerVerdict> {
    const check = new LedgerCheck(anchors);
    let isBad = false;
    let [after, rows] = [0, checkPage];
    while (rows === checkPage && !isBad) {
      rows = 0;
      await copyRows(this.#pool, pageSql(columns, after, checkPage), (row) => {
        rows += 1;
        // The rest of a page whose bad entry is known is let through.
        if (isBad) return;
        const entry = entryOf(row);
        after = entry.number;
        isBad = this.#isBad(check, entry, row);
      });
    }
    const verdict = check.end();
    this.#entries = verdict.entries;
    this.#isWhole = !isBad;
    return verdict;
  }

  #isBad(check: LedgerCheck, { number, commitment, link, salt, text, isLost }: Entry, row: BinaryRow): boolean {
    if (isLost) return check.unreadable('its row or text is gone without having been erased') !== null;
    const content = text === null ? null : { text, salt };
    if (check.take({ number, commitment, link, content }) !== null) return true;
    if (text === null || this.#stray !== null) return false;
    const columns = rowOf(row);
    if (columns === null || !isOfText(columns, text))
      this.#stray = { number, fault: 'stored', detail: 'its row says something else than its text' };
    return false;
  }

  /** The first entry, as far as was verified, whose columns were changed; after all of it, a change that lost its number. */
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
