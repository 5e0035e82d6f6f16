import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EntenteClient, ProblemAnswer, Unreachable, type ImportState, type RejectedRow } from './entente-client.ts';
import { importPeople, type ImportOptions } from './import-people.ts';

/** Answers `/v1/imports` as the consent service does: takes whole lines, says where it stands, finds an open import by its key. */
class ImportApi {
  /** What was taken of each import, by key. */
  readonly taken = new Map<string, Buffer>();
  readonly queries: string[] = [];
  parts = 0;
  /** What becomes of the next parts: `lost` is taken and not answered, a status is answered and nothing taken. */
  troubles: ('lost' | number)[] = [];
  rejects: RejectedRow[] = [];
  readonly #server: Server;
  readonly #done = new Set<string>();
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const { pathname, search } = new URL(request.url ?? '', this.url);
    const [, , , id = '', sub] = pathname.split('/');
    if (sub === 'rejects')
      return void response.end(this.rejects.map((reject) => `${JSON.stringify(reject)}\n`).join(''));
    if (request.method === 'POST') {
      this.queries.push(search);
      const key = String(request.headers['idempotency-key']);
      if (this.#done.delete(key) || !this.taken.has(key)) this.taken.set(key, Buffer.alloc(0));
      return void response.writeHead(201).end(JSON.stringify(this.#state(key)));
    }
    if (request.method === 'PATCH') {
      this.parts += 1;
      const trouble = this.troubles.shift();
      if (typeof trouble === 'number')
        return void response.writeHead(trouble).end(JSON.stringify({ title: 'Refused', detail: 'Not now.' }));
      this.#take(id, body, Number(request.headers['upload-offset']), request.headers['upload-complete'] === '?1');
      if (trouble === 'lost') return void request.socket.destroy();
    }
    response.end(JSON.stringify(this.#state(id)));
  }

  #take(key: string, body: Buffer, offset: number, isLast: boolean): void {
    const held = this.taken.get(key) ?? Buffer.alloc(0);
    const whole = Buffer.concat([held.subarray(0, offset), body]);
    this.taken.set(key, isLast ? whole : whole.subarray(0, whole.lastIndexOf('\n') + 1));
    if (isLast) this.#done.add(key);
  }

  #state(id: string): ImportState {
    const bytes = this.taken.get(id) ?? Buffer.alloc(0);
    const state = this.#done.has(id) ? 'done' : 'open';
    const rows = bytes.toString().split('\n').length - 2;
    return {
      ...{ id, state, dryRun: false, position: { bytes: bytes.length, lines: rows + 1 } },
      ...{ rows, recorded: rows, unchanged: 0, partly: 0, rejected: 0 },
    };
  }
}

let api: ImportApi;
let directory: string;
beforeEach(async () => {
  api = new ImportApi();
  await api.open();
  directory = await mkdtemp(join(tmpdir(), 'entente-import-'));
});
afterEach(async () => {
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

const header = 'subject_id,email,phone,granted,denied';
const rejectsFile = (): string => join(directory, 'rejects.csv');

async function take(text: string | Buffer, more: Partial<ImportOptions> = {}): Promise<ImportState> {
  const file = join(directory, 'people.csv');
  await writeFile(file, text);
  const client = new EntenteClient({ consentUrl: api.url, opsUrl: api.url }, () => Promise.resolve('token'));
  const patience = { tries: 3, firstPauseMs: 1 };
  return importPeople({ file, rejectsFile: rejectsFile(), client, patience, ...more });
}

const rejects = async (): Promise<string[]> => (await readFile(rejectsFile(), 'utf8')).trimEnd().split('\n');
const reject = (line: number, reason: string): RejectedRow => ({ line, partly: false, reason });

describe('a file', () => {
  /** More than two parts. */
  const large = [header, ...Array.from({ length: 50_000 }, (_, at) => `person-${at},,,email-marketing,`), ''].join(
    '\n',
  );

  test('goes over part by part and arrives as it is', async () => {
    await take(large);
    expect([...api.taken.values()].map(String)).toEqual([large]);
    expect(api.parts).toBeGreaterThan(2);
  });

  test.each<['lost' | number]>([['lost'], [503], [409], [429]])(
    'after trouble (%s) goes on where the service stands',
    async (trouble) => {
      api.troubles = [trouble, trouble];
      await take(large);
      expect([...api.taken.values()].map(String)).toEqual([large]);
    },
  );

  test('that was interrupted is gone on with by the next run; another file is another import', async () => {
    const interrupted = new AbortController();
    const progress = (): void => interrupted.abort(new Error('stop'));
    await expect(take(large, { signal: interrupted.signal, progress })).rejects.toThrow('stop');
    const before = api.parts;
    await take(large);
    expect([...api.taken.values()].map(String)).toEqual([large]);
    expect(before).toBe(1);
    await take(`${large}one-more,,,email-marketing,\n`);
    expect(api.taken.size).toBe(2);
  });

  test('with a line longer than a part still arrives', async () => {
    const long = `${header}\n${'x'.repeat(1_500_000)}\np1,,,a,\n`;
    await take(long);
    expect([...api.taken.values()].map(String)).toEqual([long]);
  });

  test('is begun as its name and the options say', async () => {
    const file = join(directory, 'people.ndjson');
    await writeFile(file, '{}\n');
    await take('', { file, dryRun: true, notice: { id: 'privacy', version: 2 }, purposes: { N: 'news' } });
    expect(Object.fromEntries(new URLSearchParams(api.queries[0]))).toEqual({
      ...{ format: 'ndjson', dryRun: 'true', notice: 'privacy@2', purposes: '{"N":"news"}' },
    });
  });
});

describe('the rejects file', () => {
  test('names the person whom the line names, whatever stands in it', async () => {
    api.rejects = [
      reject(3, 'said'),
      reject(5, 'a "quoted", reason'),
      reject(6, 'not readable'),
      reject(9, 'beyond the end'),
    ];
    await take(
      `\uFEFFemail,${header.replace('email,', '')}\r\n\r\nx,p1,,a,\r\nx,p2,,a,\r\nx,"a,""b""",,a,\r\nx,"p4,,a,\r\n`,
    );
    expect(await rejects()).toEqual([
      'line,subject_id,reason',
      ...['3,p1,said', '5,"a,""b""","a ""quoted"", reason"', '6,,not readable', '9,,beyond the end'],
    ]);
  });

  test('of NDJSON too', async () => {
    const file = join(directory, 'people.jsonl');
    await writeFile(file, '{"subjectId":"p1"}\n{"piiPrincipalId":"p2"}\n{"x":\n[]\n');
    api.rejects = [1, 2, 3, 4].map((line) => reject(line, 'r'));
    await take('', { file });
    expect((await rejects()).slice(1)).toEqual(['1,p1,r', '2,p2,r', '3,,r', '4,,r']);
  });
});

test('a run that rejects nothing leaves no rejects file, not even an earlier one', async () => {
  await writeFile(rejectsFile(), 'what an earlier run has found');
  await take(`${header}\np1,,,a,\n`);
  expect((await readdir(directory)).sort()).toEqual(['people.csv']);
});

describe('the first line', () => {
  test.each([
    ['does not name a column', 'subject_id,email,phone,granted\np1,,,x\n', /missing: denied$/],
    ['is a row', 'p1,p1@example.org,,email-marketing,\n', /^the first line must name the columns/],
    ['has another delimiter', `${header.replaceAll(',', ';')}\n`, /^the first line must name the columns/],
    ['names a column twice', `${header},email\n`, /names the column email twice/],
    ['is not there', '', /^the first line must name the columns/],
    ['is not UTF-8', Buffer.from(`${header},\xe9\n`, 'latin1'), /^not UTF-8/],
  ])('that %s ends the import before anything is sent', async (_, text, message) => {
    await expect(take(text)).rejects.toThrow(message);
    expect(api.queries).toEqual([]);
  });

  test('a file that is not there, or is a folder, says so', async () => {
    await expect(take('', { file: join(directory, 'absent.csv') })).rejects.toThrow(
      /absent\.csv: there is no such file$/,
    );
    await expect(take('', { file: directory })).rejects.toThrow(/: is a folder, not a file$/);
  });
});

describe('a service that cannot be used', () => {
  const file = `${header}\np1,,,email-marketing,\n`;

  test('that is down for a moment costs nothing', async () => {
    await api.close();
    const taking = take(file, { patience: { tries: 8, firstPauseMs: 50 } });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await api.open();
    expect(await taking).toMatchObject({ recorded: 1 });
  });

  test.each([400, 401, 403, 404, 422])(
    'by its answer %i ends the import and leaves an earlier rejects file alone',
    async (status) => {
      await writeFile(rejectsFile(), 'what an earlier run has found');
      api.troubles = [status];
      await expect(take(file)).rejects.toThrow(ProblemAnswer);
      expect([await readFile(rejectsFile(), 'utf8'), api.parts]).toEqual(['what an earlier run has found', 1]);
    },
  );

  test('because it stays away ends the import', async () => {
    await api.close();
    await expect(take(file)).rejects.toThrow(Unreachable);
  });
});
