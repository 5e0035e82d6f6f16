import { documentOf } from '@entente/contracts';
import type { ConsentVector, ControllerId, SnapshotLine, SubjectKey } from '@entente/contracts';
import { inKeyOrder } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { loadCatalogues } from '../catalogue/catalogue-store.ts';
import { chainHead } from '../sequencer/sequencer.ts';
import { synchronousCommit } from './synchronous-commit.ts';

/** Subjects per statement: some milliseconds each, so that no snapshot of the database is held for long. */
const pageSize = 5_000;

const pageSql = `
  SELECT erased_at IS NOT NULL AND vector = '{}' AS erased, subject_key AS "subjectKey", version, vector FROM subject
   WHERE controller = $1 AND subject_key > $2 AND version > 0
   ORDER BY subject_key LIMIT ${pageSize}`;

interface SubjectRow {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly vector: ConsentVector;
  readonly erased: boolean;
}

const line = (value: SnapshotLine): string => `${JSON.stringify(value)}\n`;

/**
 * GATE-1: one controller's whole state as NDJSON, a page of text at a time, so that it takes no more memory for a million
 * people than for a thousand. The catalogue comes first: what changes after it was read is published after the reader noted
 * the ends of the logs. The last page and the `end` line are sent after a synchronous commit begun after the last read.
 */
export class GateSnapshot {
  readonly #pool: Pool;
  readonly #isVouchedFor: () => Promise<boolean>;

  /** @param isVouchedFor asked again before the end: an older database may have taken the place of this one meanwhile (RST-4) */
  constructor(pool: Pool, isVouchedFor: () => Promise<boolean>) {
    this.#pool = pool;
    this.#isVouchedFor = isVouchedFor;
  }

  text(controller: ControllerId): AsyncGenerator<string, void, void> {
    return snapshotText(this.#pool, controller, this.#isVouchedFor);
  }
}

async function* snapshotText(
  pool: Pool,
  controller: ControllerId,
  isVouchedFor: () => Promise<boolean>,
): AsyncGenerator<string, void, void> {
  const catalogue = (await loadCatalogues(pool)).of(controller);
  const incarnation = await currentIncarnation(pool);
  yield line({ kind: 'catalogue', incarnation, catalogue: documentOf(catalogue) });
  let subjects = 0;
  let page = await readPage(pool, controller, '');
  while (page.length === pageSize) {
    const next = await readPage(pool, controller, page.at(-1)?.subjectKey ?? '');
    subjects += page.length;
    yield textOf(page);
    page = next;
  }
  subjects += page.length;
  const head = await chainHead(pool);
  await synchronousCommit(pool);
  if (page.length > 0) yield textOf(page);
  if (!(await isVouchedFor())) throw new Error('nobody vouches for this database any more: the snapshot has no end');
  yield line({ kind: 'end', subjects, ledger: { number: head.number, hash: head.hash.toString('hex') } });
}

const textOf = (page: readonly SubjectRow[]): string =>
  page.map(({ erased, ...row }) => line({ kind: 'subject', ...row, ...(erased ? { erased } : {}) })).join('');

const readPage = (pool: Pool, controller: ControllerId, after: string): Promise<SubjectRow[]> =>
  inKeyOrder<SubjectRow>(pool, { name: 'snapshot-page', text: pageSql, values: [controller, after] });

async function currentIncarnation(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ incarnation: number }>('SELECT incarnation FROM incarnation');
  const [row] = rows;
  if (row === undefined) throw new Error('the incarnation row is missing');
  return row.incarnation;
}
