import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import {
  ProblemAnswer,
  Unreachable,
  type EntenteClient,
  type GrantToRecord,
  type RecordedChange,
} from './entente-client.ts';
import { denialsAlone, toDecisionCall, type AskedRow } from './decision-call.ts';
import { checkPeopleFile, readPeopleFile } from './people-file.ts';

/** One line of the file that was not taken in, or not wholly, and why. */
interface Reject {
  readonly line: number;
  readonly subjectId: string;
  readonly reason: string;
}

export interface ImportResult {
  readonly rows: number;
  readonly recorded: number;
  /** Of those recorded: rows of which a grant was refused or a purpose is unknown. They stand in the rejects file too. */
  readonly partly: number;
  /** The same person with the same content again: answered by the first decision call's record. */
  readonly repeated: number;
  readonly rejected: number;
  /** Subject ids with a recorded decision, without repetitions. */
  readonly subjects: readonly string[];
}

export interface ImportOptions {
  readonly file: string;
  readonly rejectsFile: string;
  readonly client: EntenteClient;
  readonly notice: { readonly id: string; readonly version: number };
  readonly progress?: (done: number) => void;
  /** How often and after which pauses a service that does not answer is tried again; the pause doubles. */
  readonly patience?: Patience;
  /** Ends the import between two calls and in the pauses of its patience. */
  readonly signal?: AbortSignal;
}

interface Patience {
  readonly tries: number;
  readonly firstPauseMs: number;
}

/** Decision calls in flight; two calls for one person are never in flight together, so file order decides. */
const parallel = 32;
/** A service that does not answer is tried again, so that a restart does not turn good rows into rejects. */
const defaultPatience: Patience = { tries: 8, firstPauseMs: 250 };

/**
 * Takes a CSV file of people in, one decision call a row (docs/import.md). Safe to run again: a row's Idempotency-Key is
 * the hash of its content and of the person's rows before it. Rows that were not taken, or not wholly, go to the rejects
 * file with line, person and reason.
 * @throws UnusableFile; and when the service cannot be used at all: the rejects file of an earlier run then stays as it was
 */
export async function importPeople(options: ImportOptions): Promise<ImportResult> {
  await checkPeopleFile(options.file);
  const unfinished = `${options.rejectsFile}.part`;
  const rejects = await open(unfinished, 'w', 0o600);
  let written = rejects.appendFile('line,subject_id,reason\n');
  const tell = ({ line, subjectId, reason }: Reject): Promise<void> => {
    const text = [String(line), subjectId, reason].map(csvField).join(',');
    return (written = written.then(() => rejects.appendFile(`${text}\n`)));
  };
  try {
    const result = await takeIn(options, tell);
    await written;
    await rename(unfinished, options.rejectsFile);
    return result;
  } finally {
    await rejects.close();
    await rm(unfinished, { force: true });
  }
}

async function takeIn(options: ImportOptions, tell: (reject: Reject) => Promise<void>): Promise<ImportResult> {
  const outcome = { rows: 0, recorded: 0, partly: 0, repeated: 0, rejected: 0 };
  const subjects = new Set<string>();
  const latest = new Map<string, { readonly content: string; readonly key: string }>();
  const busy = new Map<string, Promise<RecordedChange | undefined>>();
  const running = new Set<Promise<unknown>>();
  let failed = false;

  const send = (call: GrantToRecord, key: string): Promise<RecordedChange> =>
    patiently(() => options.client.grant(call, key), options.patience ?? defaultPatience, options.signal);
  const reject = async (rejected: Reject): Promise<void> => {
    outcome.rejected += 1;
    await tell(rejected);
  };
  /** Resolves to the last denial this run committed for the person. */
  const take = async (
    line: number,
    { call, contradicted }: AskedRow,
    key: string,
  ): Promise<RecordedChange | undefined> => {
    const denied = await busy.get(call.subjectId);
    try {
      const { change, refused } = await recordOrDeny(send, call, key, denied);
      const untaken = untakenOf(call, change, [...refused, ...contradicted.map(bothWays)]);
      outcome.recorded += 1;
      subjects.add(call.subjectId);
      if (untaken !== null) {
        outcome.partly += 1;
        await tell({ line, subjectId: call.subjectId, reason: untaken });
      }
      const denies = call.decisions.some(({ decision }) => decision === 'denied');
      return denies && !change.alreadyDenied ? change : denied;
    } catch (error) {
      if (!(error instanceof ProblemAnswer) || !concernsTheRow(error)) throw error;
      await reject({ line, subjectId: call.subjectId, reason: error.reason });
      return denied;
    } finally {
      options.progress?.(outcome.recorded);
    }
  };

  try {
    for await (const read of readPeopleFile(options.file)) {
      if (failed) break;
      options.signal?.throwIfAborted();
      outcome.rows += 1;
      const { line } = read;
      if (!('row' in read)) {
        await reject(read);
        continue;
      }
      const asked = toDecisionCall(read.row, options.notice);
      if ('reason' in asked) {
        await reject({ line, subjectId: read.row.subject_id, reason: asked.reason });
        continue;
      }
      const { call } = asked;
      const content = JSON.stringify(call);
      const previous = latest.get(call.subjectId);
      if (previous?.content === content) {
        outcome.repeated += 1;
        continue;
      }
      // Chained with the person's row before, so that yes, no, yes stays three decisions, and the same file the same keys.
      const key = sha256(`${previous?.key ?? ''}${content}`);
      latest.set(call.subjectId, { content, key });
      const work = take(line, asked, key);
      busy.set(call.subjectId, work);
      running.add(work);
      void work.then(
        () => running.delete(work),
        () => (failed = true), // It stays in `running`, whose rejection ends the import.
      );
      if (running.size >= parallel) await Promise.race(running);
    }
    await Promise.all(running);
  } finally {
    // Whatever ended it: nothing may still be writing to the rejects file when it closes.
    await Promise.allSettled(running);
  }
  return { ...outcome, subjects: [...subjects] };
}

/** The problem code of a grant whose Idempotency-Key has recorded one before. */
const keyUsed = 'idempotency-key-used';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 40);

/** A token or an address that is wrong is wrong for every row: it ends the import instead of filling the rejects file. */
const wrongForEveryRow: readonly number[] = [401, 403, 404, 405];
const concernsTheRow = ({ status }: ProblemAnswer): boolean =>
  status === 500 || (status < 500 && status !== 429 && !wrongForEveryRow.includes(status));

/** What a 2xx did not take of the row (REC-3: a denial is recorded whatever stands beside it), or null. */
function untakenOf(
  call: GrantToRecord,
  { ignored, refused = [] }: RecordedChange,
  known: readonly string[],
): string | null {
  // A grant whose key is used up was recorded by an earlier run of this file.
  const refusals = refused.filter(({ code }) => code !== keyUsed).map(({ purpose, detail }) => `${purpose}: ${detail}`);
  const unknown = ignored.map((purpose) => `${purpose}: is not a known purpose`);
  const faults = [...known, ...refusals, ...unknown];
  return faults.length === 0
    ? null
    : `recorded only in part, ${call.decisions.length} decisions asked; ${faults.join('; ')}`;
}

/**
 * One row. A second run of a file repeats a person's denials, because denying is judged by state and not by key (REC-3);
 * a grant that follows such a denial in the file is then meant again, under a key of its own.
 */
async function record(
  send: (call: GrantToRecord, key: string) => Promise<RecordedChange>,
  call: GrantToRecord,
  key: string,
  denied: RecordedChange | undefined,
): Promise<RecordedChange> {
  const change = await send(call, key);
  if (denied === undefined) return change;
  const isOld = change.version < denied.version;
  const isUsedUp = change.refused?.some(({ code }) => code === keyUsed) ?? false;
  return isOld || isUsedUp ? send(call, `${key}-${denied.changeId}`) : change;
}

const bothWays = (purpose: string): string => `${purpose}: both granted and denied, so denied`;

/** A row whose call is refused still says no where it says no (REC-3). */
async function recordOrDeny(
  send: (call: GrantToRecord, key: string) => Promise<RecordedChange>,
  call: GrantToRecord,
  key: string,
  denied: RecordedChange | undefined,
): Promise<{ readonly change: RecordedChange; readonly refused: readonly string[] }> {
  try {
    return { change: await record(send, call, key, denied), refused: [] };
  } catch (error) {
    const denials = denialsAlone(call);
    if (!(error instanceof ProblemAnswer) || !concernsTheRow(error) || denials === null) throw error;
    return { change: await record(send, denials, `${key}-no`, denied), refused: [error.reason] };
  }
}

async function patiently<T>(send: () => Promise<T>, patience: Patience, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const again =
        error instanceof Unreachable ||
        (error instanceof ProblemAnswer && (error.status >= 500 || error.status === 429));
      if (!again || attempt === patience.tries) throw error;
      await pause(patience.firstPauseMs * 2 ** (attempt - 1), undefined, signal ? { signal } : {});
    }
  }
}

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
