import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import {
  ProblemAnswer,
  Unreachable,
  type EntenteClient,
  type ImportFormat,
  type ImportState,
  type RejectedRow,
} from './entente-client.ts';
import { UnusableFile, checkPeopleFile, linesOfFile, unusable } from './people-file.ts';
import { subjectIn, writeRejects } from './rejects-file.ts';

export interface ImportOptions {
  readonly file: string;
  readonly rejectsFile: string;
  readonly client: EntenteClient;
  /** Of rows that name none. */
  readonly notice?: { readonly id: string; readonly version: number };
  /** By the file's name, where it is not said: `.ndjson` and `.jsonl` are NDJSON, all others CSV. */
  readonly format?: ImportFormat;
  readonly dryRun?: boolean;
  /** Our purposes by the names of the file. */
  readonly purposes?: Readonly<Record<string, string>>;
  readonly progress?: (state: ImportState) => void;
  readonly onReject?: (reject: RejectedRow) => void;
  /** How often and after which pauses a service that does not answer is tried again; the pause doubles. */
  readonly patience?: Patience;
  /** Ends the import between two parts and in the pauses of its patience. */
  readonly signal?: AbortSignal;
}

interface Patience {
  readonly tries: number;
  readonly firstPauseMs: number;
}

/** A minute in all: longer than an import stays with a service that has just died. */
const defaultPatience: Patience = { tries: 9, firstPauseMs: 250 };
/** Bytes sent at once: some thousand rows, a few seconds of the service's work. */
const partBytes = 512 * 1_024;

/**
 * Takes a file of people in by `POST /v1/imports` (docs/import.md), part by part, going on wherever the service stands. Safe
 * to run again: the service goes on with an import of the same file that was interrupted, and taking a row twice changes
 * nothing. Rows that were not taken, or not wholly, go to the rejects file with line, person and reason.
 * @throws UnusableFile; and when the service cannot be used at all: the rejects file of an earlier run then stays as it was
 */
export async function importPeople(options: ImportOptions): Promise<ImportState> {
  const { file, client, notice, dryRun = false, purposes, format = formatOf(file) } = options;
  if (format === 'csv') await checkPeopleFile(file);
  const header = await firstLine(file);
  const handle = await opened(file);
  try {
    const { size } = await handle.stat();
    const settings = {
      ...{ format, dryRun },
      ...(notice === undefined ? {} : { notice: `${notice.id}@${notice.version}` }),
      ...(purposes === undefined ? {} : { purposes }),
    };
    const key = await contentKey(file, settings);
    const begin = () => client.beginImport({ ...settings, total: size, key });
    const state = await uploaded(await patiently(begin, options), handle, size, options);
    await writeRejects(
      options.rejectsFile,
      told(client.rejectedRows(state.id), options),
      file,
      subjectIn(format, header),
    );
    return state;
  } finally {
    await handle.close();
  }
}

async function uploaded(
  begun: ImportState,
  handle: FileHandle,
  size: number,
  options: ImportOptions,
): Promise<ImportState> {
  let state = begun;
  for (let length = partBytes; state.state === 'open';) {
    options.signal?.throwIfAborted();
    const before = state.position.bytes;
    state = await patiently((isAgain) => nextPart(state, handle, { size, length, isAgain }, options.client), options);
    options.progress?.(state);
    // A line may be longer than a part.
    length = state.position.bytes === before ? length * 2 : partBytes;
  }
  return state;
}

async function nextPart(
  { id, position }: ImportState,
  handle: FileHandle,
  { size, length, isAgain }: { readonly size: number; readonly length: number; readonly isAgain: boolean },
  client: EntenteClient,
): Promise<ImportState> {
  // After a failure nobody knows how much of the part was taken; the service does.
  const current = isAgain ? await client.importState(id) : undefined;
  if (current?.state === 'done') return current;
  const offset = current?.position.bytes ?? position.bytes;
  const bytes = new Uint8Array(Math.min(length, size - offset));
  await handle.read(bytes, 0, bytes.length, offset);
  return client.importPart(id, { bytes, offset, isLast: offset + bytes.length >= size });
}

const formatOf = (file: string): ImportFormat => (/\.(ndjson|jsonl)$/i.test(file) ? 'ndjson' : 'csv');

async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (cause) {
    throw unusable(file, cause);
  }
}

async function firstLine(file: string): Promise<string> {
  for await (const { text } of linesOfFile(file)) if (text?.trim() !== '') return text ?? '';
  throw new UnusableFile(`${file}: is empty`);
}

/** The same for the same content and the same wishes, so that an interrupted import is found again. */
async function contentKey(file: string, settings: object): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

async function* told(rejected: AsyncIterable<RejectedRow>, { onReject }: ImportOptions): AsyncGenerator<RejectedRow> {
  for await (const reject of rejected) {
    onReject?.(reject);
    yield reject;
  }
}

/** Another process of the service may still hold the import, or the answer to an earlier part was lost. */
const passing: readonly number[] = [408, 409, 429];
const isPassing = (error: unknown): boolean =>
  error instanceof Unreachable ||
  (error instanceof ProblemAnswer && (error.status >= 500 || passing.includes(error.status)));

async function patiently<T>(
  send: (isAgain: boolean) => Promise<T>,
  { patience = defaultPatience, signal }: ImportOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send(attempt > 1);
    } catch (error) {
      if (!isPassing(error) || attempt === patience.tries) throw error;
      await pause(patience.firstPauseMs * 2 ** (attempt - 1), undefined, signal ? { signal } : {});
    }
  }
}
