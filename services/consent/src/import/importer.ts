import { randomUUID } from 'node:crypto';
import { fileLines, peopleColumns, textOf } from '@entente/contracts';
import type { FileLine } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Clock, Logger } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import type { Recorded } from '../ledger/answer.ts';
import type { Command } from '../ledger/command.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { RowReader } from './formats/index.ts';
import { isRow } from './import-row.ts';
import type { ReadRow } from './import-row.ts';
import type { ImportJob, ImportStore, Reject } from './import-store.ts';
import type { Pace } from './pace.ts';
import { recordRows } from './record-rows.ts';
import { rowCommands, rowOutcome } from './row-commands.ts';
import type { RowContext } from './row-commands.ts';

export interface ImporterParts {
  /** Of its own and with the writers' limits, so that no decision waits for an import's connection. */
  readonly pool: Pool;
  readonly store: ImportStore;
  readonly ledger: Pick<Ledger, 'record' | 'judge'>;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly log: Logger;
  /** After each commit that may have written outbox rows. */
  readonly onCommitted: () => void;
}

/** A part of a file, or all of it. */
export interface Upload {
  readonly body: AsyncIterable<Buffer>;
  /** Where in the file it begins, in bytes. */
  readonly offset: number;
  /** Nothing comes after it. */
  readonly isLast: boolean;
  readonly context: RowContext;
}

/** REC-2: an import's transactions are no larger than this, in rows; beside live traffic `Pace` makes them smaller. */
const transactionRows = 200;
/** Transactions of one import at once; each person's rows are all in the same one, in the order of the file. */
const lanes = 2;
/** Longest line, in bytes; as long as a request body may be in all is longer than any person's decisions. */
const longestLine = 65_536;
/** Imports of one process at the same time: each holds some megabytes and its share of the rate. */
const mostAtOnce = 2;

interface ReadLine {
  readonly line: number;
  readonly read: ReadRow;
}

/**
 * Takes files of people in while they are uploaded: the upload waits while rows are recorded, so that however large a file
 * is, a few hundred rows are held. Each step, at most `lanes` transactions and then the position, is where an interrupted
 * import goes on; rows of a step that was recorded and not yet noted are taken twice, which changes nothing.
 */
export class Importer {
  readonly #parts: ImporterParts;
  readonly #stopping = new AbortController();
  #running = 0;

  constructor(parts: ImporterParts) {
    this.#parts = parts;
  }

  /** Ends imports between two steps; their clients go on elsewhere. */
  stop(): void {
    this.#stopping.abort();
  }

  async take({ controller, id }: Pick<ImportJob, 'controller' | 'id'>, upload: Upload): Promise<ImportJob> {
    if (this.#running >= mostAtOnce) throw tooMany();
    this.#running += 1;
    const holder = randomUUID();
    try {
      const job = await this.#parts.store.claim(controller, id, holder);
      if (job !== null) return await this.#go(job, holder, upload);
      const standing = await this.#parts.store.find(controller, id);
      if (standing?.state === 'done') return standing;
      throw busy();
    } finally {
      this.#running -= 1;
    }
  }

  async #go(claimed: ImportJob, holder: string, upload: Upload): Promise<ImportJob> {
    const { store } = this.#parts;
    try {
      if (upload.offset > claimed.position) throw offsetMismatch(claimed.position);
      const job = await this.#read(claimed, holder, upload);
      if (!upload.isLast) return job;
      await store.finish(job.id, holder);
      const { controller, id, client, settings } = job;
      const { dryRun } = settings;
      this.#parts.log.info({ controller, import: `imp_${id}`, client, dryRun, ...countsOf(job) }, 'import done');
      return { ...job, state: 'done' };
    } catch (error) {
      await store.forget(claimed.id, holder);
      throw error;
    } finally {
      await store.release(claimed.id, holder);
    }
  }

  async #read(claimed: ImportJob, holder: string, { body, offset, isLast, context }: Upload): Promise<ImportJob> {
    const { pace } = this.#parts;
    const reader = new RowReader(claimed.settings);
    const start = claimed.position;
    let job = claimed;
    /** The job as it will be when the rows read so far are settled. */
    let ahead = claimed;
    let rows: ReadLine[] = [];
    for await (const line of fileLines(skipping(body, start - offset), longestLine)) {
      if (!line.ended && !isLast) break;
      ahead = { ...ahead, position: start + line.end, lines: ahead.lines + 1 };
      const text = textOfLine(line, ahead.lines === 1);
      if (text !== null && text.trim() === '') continue;
      if (reader.hasHeader && ahead.columns === null) ahead = { ...ahead, columns: columnsOf(text) };
      else rows.push({ line: ahead.lines, read: text === null ? unreadable(line) : reader.read(text, ahead.columns) });
      if (rows.length < pace.stepRows) continue;
      job = await this.#settle({ ...ahead, ...countsOf(job) }, holder, rows, context);
      ahead = { ...ahead, ...countsOf(job) };
      rows = [];
    }
    if (isLast && reader.hasHeader && ahead.columns === null) columnsOf('');
    return this.#settle({ ...ahead, ...countsOf(job) }, holder, rows, context);
  }

  /** One step: records the rows, then notes how far it has come. */
  async #settle(job: ImportJob, holder: string, rows: readonly ReadLine[], context: RowContext): Promise<ImportJob> {
    if (this.#stopping.signal.aborted) throw stopping();
    const { pool, store, pace } = this.#parts;
    const asked = rows.map(({ read }) => (isRow(read) ? rowCommands(read, context) : []));
    const { dryRun } = job.settings;
    const judged = () => {
      // It may have waited for its turn.
      if (this.#stopping.signal.aborted) throw stopping();
      return this.#answers(asked, dryRun);
    };
    const answers = await (dryRun || rows.length === 0 ? judged() : pace.step(rows.length, judged));
    const rejects: Reject[] = [];
    const changes = new Set<string>();
    const counts = { ...countsOf(job) };
    rows.forEach(({ line, read }, index) => {
      if (read === 'nothing') return;
      const outcome = isRow(read)
        ? rowOutcome(read, answers[index] ?? [], changes)
        : { kind: 'rejected' as const, reason: read.reason };
      counts.rows += 1;
      counts[outcome.kind] += 1;
      if (outcome.reason === undefined) return;
      const partly = outcome.kind !== 'rejected';
      if (partly) counts.partly += 1;
      rejects.push({ line, partly, reason: outcome.reason });
    });
    const settled = { ...job, ...counts };
    await inTransaction(pool, (tx) => store.step(tx, settled, holder, rejects));
    return settled;
  }

  /** In parallel, each person's commands in one lane and in order. */
  async #answers(asked: readonly (readonly Command[])[], dryRun: boolean): Promise<Recorded[][]> {
    const answers: Recorded[][] = asked.map(() => []);
    const commands = asked.flatMap((some, row) => some.map((command) => ({ row, command })));
    const inLane = (lane: number) =>
      commands.filter(
        ({ command }) => command.candidates[0].charCodeAt(command.candidates[0].length - 2) % lanes === lane,
      );
    await Promise.all(
      Array.from({ length: lanes }, async (_, lane) => {
        const own = inLane(lane);
        for (let from = 0; from < own.length; from += transactionRows) {
          const some = own.slice(from, from + transactionRows);
          const given = await this.#record(
            some.map(({ command }) => command),
            dryRun,
          );
          some.forEach(({ row }, index) => answers[row]?.push(given[index] ?? missing()));
        }
      }),
    );
    return answers;
  }

  #record(commands: readonly Command[], dryRun: boolean): Promise<readonly Recorded[]> {
    const { pool, ledger, clock, log, onCommitted } = this.#parts;
    const record = async (some: readonly Command[]): Promise<readonly Recorded[]> => {
      if (dryRun) return ledger.judge(pool, some);
      const answers = await ledger.record(pool, some);
      onCommitted();
      return answers;
    };
    return recordRows(commands, { record, clock, log });
  }
}

const countsOf = ({ rows, recorded, unchanged, partly, rejected }: ImportJob) => ({
  ...{ rows, recorded, unchanged, partly, rejected },
});

function textOfLine({ bytes }: FileLine, isFirst: boolean): string | null {
  const text = bytes === null ? null : textOf(bytes);
  return isFirst && text?.startsWith('\uFEFF') === true ? text.slice(1) : text;
}

const unreadable = ({ bytes }: FileLine): ReadRow => ({
  reason: bytes === null ? `longer than ${longestLine} bytes` : 'not UTF-8: save the file as “CSV UTF-8”',
});

function columnsOf(text: string | null): NonNullable<ImportJob['columns']> {
  const columns =
    text === null || text.includes('\0') ? { fault: 'the first line is not UTF-8 text' } : peopleColumns(text);
  if ('fault' in columns) throw new Refusal('unusable-file', 422, `${columns.fault}.`);
  return columns;
}

/** Without its first bytes, which an earlier part has brought already. */
async function* skipping(body: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer, void, void> {
  let left = bytes;
  for await (const piece of body) {
    if (left < piece.length) yield left === 0 ? piece : piece.subarray(left);
    left = Math.max(0, left - piece.length);
  }
}

function missing(): never {
  throw new Error('not one answer for each command');
}

const again = (seconds: number) => ({ headers: { 'retry-after': String(seconds) } });

const tooMany = (): Refusal =>
  new Refusal('too-many-imports', 503, 'As many imports as this service takes at once are running.', again(5));

const busy = (): Refusal =>
  new Refusal('import-busy', 409, 'Another upload is going on with this import, or was cut off just now.', again(2));

const stopping = (): Refusal =>
  new Refusal('stopping', 503, 'This instance is stopping; go on where the import stands.', again(1));

const offsetMismatch = (position: number): Refusal =>
  new Refusal('upload-offset-mismatch', 409, `The import stands at byte ${position} of the file; go on from there.`, {
    headers: { 'upload-offset': String(position) },
    position,
  });
