import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { parse } from 'csv-parse';
import { ProblemAnswer, Unreachable, type EntenteClient, type GrantToRecord } from './entente-client.ts';

/** One line of the file that was not taken in, and why. */
export interface Reject {
  readonly line: number;
  readonly subjectId: string;
  readonly reason: string;
}

export interface ImportResult {
  readonly rows: number;
  readonly recorded: number;
  /** The same person with the same content again: answered by the first decision call's record. */
  readonly repeated: number;
  readonly rejected: number;
  /** Subject ids recorded, in file order, without repetitions. */
  readonly subjects: readonly string[];
}

export interface ImportOptions {
  readonly file: string;
  readonly rejectsFile: string;
  readonly client: EntenteClient;
  readonly notice: { readonly id: string; readonly version: number };
  readonly progress?: (done: number) => void;
}

const columns = ['subject_id', 'email', 'phone', 'granted', 'denied'] as const;
type Row = Readonly<Record<(typeof columns)[number], string>>;

/** Decision calls in flight; two calls for one person are never in flight together, so file order decides. */
const parallel = 32;
/** A service that does not answer is tried again, so that a restart does not turn good rows into rejects. */
const patience = { tries: 8, firstPauseMs: 250 } as const;

const words = (text: string): string[] => text.split(/[\s;|]+/).filter(Boolean);

/** A row as a decision call, or the reason it cannot be one. What the service checks is left to the service. */
export function toDecisionCall(row: Row, notice: ImportOptions['notice']): GrantToRecord | { readonly reason: string } {
  const subjectId = row.subject_id.trim();
  if (subjectId === '') return { reason: 'subject_id is empty' };
  const granted = words(row.granted);
  const denied = words(row.denied);
  const both = granted.find((purpose) => denied.includes(purpose));
  if (both) return { reason: `purpose ${both} is both granted and denied` };
  if (granted.length + denied.length === 0) return { reason: 'no decision: granted and denied are empty' };
  const email = row.email.trim();
  const phone = row.phone.trim();
  return {
    subjectId,
    notice,
    decisions: [
      ...granted.map((purpose) => ({ purpose, decision: 'granted' as const })),
      ...denied.map((purpose) => ({ purpose, decision: 'denied' as const })),
    ],
    ...(email || phone ? { identifiers: { ...(email ? { email } : {}), ...(phone ? { phone } : {}) } } : {}),
  };
}

/**
 * Takes a CSV file of people in, one decision call a row (docs/import.md). Safe to run again: a row's Idempotency-Key is
 * the hash of its content and of the person's rows before it. Rows that cannot be taken go to the rejects file with line, person and reason.
 * @throws when the file cannot be read, its header is not the documented one, or the service stays unreachable
 */
export async function importPeople(options: ImportOptions): Promise<ImportResult> {
  const rejects = createWriteStream(options.rejectsFile);
  rejects.write('line,subject_id,reason\n');
  const outcome = { rows: 0, recorded: 0, repeated: 0, rejected: 0, subjects: [] as string[] };
  const latest = new Map<string, { readonly content: string; readonly key: string }>();
  const known = new Set<string>();
  const busy = new Map<string, Promise<void>>();
  const running = new Set<Promise<void>>();

  const reject = ({ line, subjectId, reason }: Reject): void => {
    outcome.rejected += 1;
    rejects.write([line, subjectId, reason].map((value) => csvField(String(value))).join(',') + '\n');
  };
  const take = async (
    line: number,
    call: GrantToRecord,
    key: string,
    before: Promise<void> | undefined,
  ): Promise<void> => {
    await before;
    try {
      await record(options.client, call, key);
      outcome.recorded += 1;
      if (!known.has(call.subjectId)) outcome.subjects.push(call.subjectId);
      known.add(call.subjectId);
    } catch (error) {
      if (!(error instanceof ProblemAnswer)) throw error;
      reject({ line, subjectId: call.subjectId, reason: error.message });
    }
    options.progress?.(outcome.recorded);
  };

  const parser = createReadStream(options.file).pipe(
    parse({
      bom: true,
      columns: checkHeader,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
      skip_records_with_error: true,
      on_skip: (error) => {
        reject({ line: lineOf(error), subjectId: '', reason: 'not readable as CSV' });
        return undefined;
      },
    }),
  );
  for await (const { record: row, info } of parser as AsyncIterable<{ record: Row; info: { lines: number } }>) {
    outcome.rows += 1;
    const missing = columns.find((column) => row[column] === undefined);
    if (missing) {
      reject({ line: info.lines, subjectId: row.subject_id ?? '', reason: `column ${missing} is missing` });
      continue;
    }
    const call = toDecisionCall(row, options.notice);
    if ('reason' in call) {
      reject({ line: info.lines, subjectId: row.subject_id, reason: call.reason });
      continue;
    }
    const content = JSON.stringify(call);
    const previous = latest.get(call.subjectId);
    if (previous?.content === content) {
      outcome.repeated += 1;
      continue;
    }
    // Chained with the person's row before, so that yes, no, yes stays three decisions, and the same file the same keys.
    const key = sha256(`${previous?.key ?? ''}${content}`);
    latest.set(call.subjectId, { content, key });
    const work = take(info.lines, call, key, busy.get(call.subjectId));
    busy.set(call.subjectId, work);
    running.add(work);
    void work.then(
      () => settle(running, busy, work, call.subjectId),
      () => undefined, // Awaited below, where it ends the import.
    );
    if (running.size >= parallel) await Promise.race(running);
  }
  await Promise.all(running);
  await new Promise<void>((resolve, fail) => rejects.end((error?: Error | null) => (error ? fail(error) : resolve())));
  return outcome;
}

const lineOf = (error: object | undefined): number => {
  const line = error && 'lines' in error ? error.lines : 0;
  return typeof line === 'number' ? line : 0;
};

function settle(
  running: Set<Promise<void>>,
  busy: Map<string, Promise<void>>,
  work: Promise<void>,
  subjectId: string,
): void {
  running.delete(work);
  if (busy.get(subjectId) === work) busy.delete(subjectId);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 40);

async function record(client: EntenteClient, call: GrantToRecord, key: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.grant(call, key);
      return;
    } catch (error) {
      const again = error instanceof Unreachable || (error instanceof ProblemAnswer && error.status >= 500);
      if (!again || attempt === patience.tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, patience.firstPauseMs * 2 ** (attempt - 1)));
    }
  }
}

function checkHeader(header: string[]): string[] {
  const names = header.map((name) => name.trim().toLowerCase());
  const missing = columns.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new Error(`the first line must name the columns ${columns.join(', ')}; missing: ${missing.join(', ')}`);
  return names;
}

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
