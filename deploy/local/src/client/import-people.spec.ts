import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EntenteClient, ProblemAnswer, Unreachable } from './entente-client.ts';
import { toDecisionCall } from './decision-call.ts';
import { importPeople, type ImportResult } from './import-people.ts';

interface Call {
  readonly key: string;
  readonly subjectId: string;
  readonly decisions: readonly { readonly purpose: string; readonly decision: 'granted' | 'denied' }[];
  readonly identifiers?: { readonly email?: string; readonly phone?: string };
}

const knownPurposes = ['email-marketing', 'personalised-ads', 'product-analytics'];

/**
 * Answers `POST /v1/consents` as the consent service does: shapes are 400, an impossible grant is 422, REC-3 for denials,
 * a used Idempotency-Key answers what it answered before.
 */
class ConsentApi {
  readonly calls: Call[] = [];
  /** Statuses to answer with before anything else. */
  failures: number[] = [];
  inFlightOfOne = 0;
  private readonly server: Server;
  private readonly states = new Map<string, { version: number; purposes: Map<string, string> }>();
  private readonly answered = new Map<string, object>();
  private readonly inFlight = new Map<string, number>();
  private port = 0;

  constructor() {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  decisionsOf(subjectId: string): Record<string, string> {
    return Object.fromEntries(this.states.get(subjectId)?.purposes ?? []);
  }

  /** The person says no elsewhere, in the preference centre. */
  withdraw(subjectId: string): void {
    const state = this.stateOf(subjectId);
    state.version += 1;
    for (const purpose of state.purposes.keys()) state.purposes.set(purpose, 'denied');
  }

  private stateOf(subjectId: string): { version: number; purposes: Map<string, string> } {
    const state = this.states.get(subjectId) ?? { version: 0, purposes: new Map<string, string>() };
    this.states.set(subjectId, state);
    return state;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Omit<Call, 'key'>;
    const { subjectId } = body;
    this.inFlight.set(subjectId, (this.inFlight.get(subjectId) ?? 0) + 1);
    this.inFlightOfOne = Math.max(this.inFlightOfOne, this.inFlight.get(subjectId)!);
    const [status, answer] = this.answer({ ...body, key: String(request.headers['idempotency-key']) });
    setImmediate(() => {
      this.inFlight.set(subjectId, this.inFlight.get(subjectId)! - 1);
      response.writeHead(status, { 'content-type': status < 300 ? 'application/json' : 'application/problem+json' });
      response.end(JSON.stringify(answer));
    });
  }

  private answer(call: Call): [number, object] {
    const failure = this.failures.shift();
    if (failure !== undefined) return [failure, problem('refused', 'Not now.')];
    const { subjectId, decisions, key, identifiers } = call;
    if (identifiers?.email !== undefined && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(identifiers.email))
      return [400, problem('body-invalid', 'Wrong.', '/identifiers/email', 'must be an e-mail address')];
    this.calls.push(call);
    const state = this.stateOf(subjectId);
    const grants = decisions.filter(({ decision }) => decision === 'granted');
    const denials = decisions.filter(
      ({ decision, purpose }) => decision === 'denied' && knownPurposes.includes(purpose),
    );
    const ignored = decisions
      .filter(({ decision, purpose }) => decision === 'denied' && !knownPurposes.includes(purpose))
      .map(({ purpose }) => purpose);
    const changed = denials.filter(({ purpose }) => state.purposes.get(purpose) !== 'denied');
    const isUsed = grants.length > 0 && this.answered.has(key);
    const unknown = grants.find(({ purpose }) => !knownPurposes.includes(purpose));
    if (isUsed && changed.length === 0) return [200, this.answered.get(key)!];
    if (denials.length === 0 && unknown)
      return [
        422,
        problem(
          'grant-not-possible',
          'The grant is not possible as asked.',
          '/decisions/0/purpose',
          'is not a known purpose',
        ),
      ];
    if (denials.length === 0 && grants.length === 0) return [422, problem('no-known-purpose', 'None is known.')];
    const taken = isUsed || unknown ? [] : grants;
    const refused = grants
      .filter((grant) => !taken.includes(grant))
      .map(({ purpose }) =>
        isUsed
          ? { purpose, code: 'idempotency-key-used', detail: 'was recorded before' }
          : { purpose, code: 'grant-not-possible', detail: 'is not a known purpose' },
      );
    for (const { purpose, decision } of [...denials, ...taken]) state.purposes.set(purpose, decision);
    const alreadyDenied = taken.length === 0 && changed.length === 0;
    if (!alreadyDenied) state.version += 1;
    const answer = {
      changeId: `chg_${randomUUID()}`,
      version: state.version,
      decisions: [...denials, ...taken],
      ignored,
      ...(refused.length > 0 ? { refused } : {}),
      ...(alreadyDenied ? { alreadyDenied } : {}),
    };
    if (taken.length > 0) this.answered.set(key, answer);
    return [200, answer];
  }
}

const problem = (code: string, detail: string, pointer?: string, fault?: string): object => ({
  type: `urn:entente:problem:${code}`,
  title: 'Refused',
  detail,
  ...(pointer === undefined ? {} : { errors: [{ pointer, detail: fault }] }),
});

let api: ConsentApi;
let directory: string;
beforeEach(async () => {
  api = new ConsentApi();
  await api.open();
  directory = await mkdtemp(join(tmpdir(), 'entente-import-'));
});
afterEach(async () => {
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

const notice = { id: 'privacy-choices', version: 1 };
const rejectsFile = (): string => join(directory, 'rejects.csv');

async function take(text: string | Buffer): Promise<ImportResult> {
  const file = join(directory, 'people.csv');
  await writeFile(file, text);
  const client = new EntenteClient({ consentUrl: api.url, opsUrl: api.url }, () => Promise.resolve('token'));
  return importPeople({ file, rejectsFile: rejectsFile(), client, notice });
}

/** The rejects file's lines by line number: rows are answered in parallel. */
async function rejects(): Promise<string[]> {
  const [header, ...lines] = (await readFile(rejectsFile(), 'utf8')).trimEnd().split('\n');
  expect(header).toBe('line,subject_id,reason');
  return lines.sort((a, b) => Number.parseInt(a) - Number.parseInt(b));
}

const header = 'subject_id,email,phone,granted,denied';

describe('a dirty file', () => {
  const dirty = [
    `\uFEFF${header}`, // 1: a BOM, as spreadsheets write it
    'p1,p1@example.org,+33612345678,email-marketing personalised-ads,product-analytics',
    '', // 3
    'p2,not an address,,email-marketing,',
    'p3,p3@example.org,,telepathy,',
    'p4,p4@example.org,,email-marketing,email-marketing',
    'p5,p5@example.org,,,',
    ',p6@example.org,,email-marketing,',
    'p7,p7@example.org,,email-marketing', // 9: one column too few
    'p8,p8@example.org,,email-marketing,ads,personalised', // 10: an unquoted comma
    '"p9, the ""ninth""",p9@example.org,,"email-marketing; personalised-ads",', // 11
    'p10,"p10@example.org,,email-marketing,', // 12: a quotation mark that is never closed
    'p11,p11@example.org,,email-marketing,telepathy', // 13: one grant, one unknown denial
    'p12,p12@example.org,,telepathy,email-marketing', // 14: an impossible grant beside a denial
    '  p13  ,  p13@example.org , , email-marketing | personalised-ads , ',
    'p1,p1@example.org,+33612345678,email-marketing personalised-ads,product-analytics', // 16: line 2 again
    '"p17"x,p17@example.org,,email-marketing,',
    ' ', // 18
    'p19,p19@example.org,,email-marketing,',
  ];

  test.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
  ])(
    'with %s: good rows are taken, every other row stands in the rejects file with its line and reason',
    async (_, end) => {
      const result = await take(dirty.join(end));

      expect(await rejects()).toEqual([
        '4,p2,/identifiers/email: must be an e-mail address',
        '5,p3,/decisions/0/purpose: is not a known purpose',
        '6,p4,"recorded only in part, 1 decisions asked; email-marketing: both granted and denied, so denied"',
        '7,p5,no decision: granted and denied are empty',
        '8,,subject_id is empty',
        '9,p7,column denied is missing',
        '10,p8,6 fields where the first line names 5',
        '12,,not readable as CSV: a quotation mark is not closed on this line',
        '13,p11,"recorded only in part, 2 decisions asked; telepathy: is not a known purpose"',
        '14,p12,"recorded only in part, 2 decisions asked; telepathy: is not a known purpose"',
        '17,,not readable as CSV: text follows a closing quotation mark',
      ]);
      expect(result).toMatchObject({ rows: 16, recorded: 7, partly: 3, repeated: 1, rejected: 8 });
      expect(new Set(result.subjects)).toEqual(new Set(['p1', 'p4', 'p9, the "ninth"', 'p11', 'p12', 'p13', 'p19']));
      expect(api.decisionsOf('p1')).toEqual({
        'email-marketing': 'granted',
        'personalised-ads': 'granted',
        'product-analytics': 'denied',
      });
      expect(api.decisionsOf('p13')).toEqual({ 'email-marketing': 'granted', 'personalised-ads': 'granted' });
      expect(api.decisionsOf('p12')).toEqual({ 'email-marketing': 'denied' });
    },
  );

  test('bytes that are no UTF-8 cost their row, and never make one person of two', async () => {
    const rows = ['m\xfcller,,,,email-marketing', 'm\xf6ller,,,email-marketing,', 'ok,,,email-marketing,'];
    await take(Buffer.from([header, ...rows].join('\n'), 'latin1'));
    expect(await rejects()).toEqual([
      '2,,not UTF-8: save the file as “CSV UTF-8”',
      '3,,not UTF-8: save the file as “CSV UTF-8”',
    ]);
    expect(api.calls.map(({ subjectId }) => subjectId)).toEqual(['ok']);
  });

  test('REC-3: a row that is refused still says no where it says no', async () => {
    const result = await take(`${header}\np1,not an address,,personalised-ads,email-marketing\n`);
    expect(api.decisionsOf('p1')).toEqual({ 'email-marketing': 'denied' });
    expect(await rejects()).toEqual([
      '2,p1,"recorded only in part, 2 decisions asked; /identifiers/email: must be an e-mail address"',
    ]);
    expect(result).toMatchObject({ recorded: 1, partly: 1, rejected: 0 });
  });

  test('what a reader wrote into a field cannot break the rejects file', async () => {
    await take(`${header}\n"a,""b""",x@example.org,,telepathy,\n`);
    expect(await rejects()).toEqual(['2,"a,""b""",/decisions/0/purpose: is not a known purpose']);
  });
});

describe('the first line', () => {
  test('may name the columns in any order and case, and more of them', async () => {
    await take('Denied,country,EMAIL,phone,Granted,SUBJECT_ID\n,FR,p1@example.org,,email-marketing,p1\n');
    expect(api.calls).toMatchObject([{ subjectId: 'p1', identifiers: { email: 'p1@example.org' } }]);
  });

  test.each([
    ['does not name a column', 'subject_id,email,phone,granted\np1,,,x\n', /missing: denied$/],
    ['is a row', 'p1,p1@example.org,,email-marketing,\n', /^the first line must name the columns/],
    ['has another delimiter', `${header.replaceAll(',', ';')}\n`, /^the first line must name the columns/],
    ['names a column twice', `${header},email\n`, /names the column email twice/],
    ['is not there', '', /^the first line must name the columns/],
  ])('that %s ends the import before anything is sent', async (_, text, message) => {
    await expect(take(text)).rejects.toThrow(message);
    expect(api.calls).toEqual([]);
  });

  test('a file that is not there, or is a folder, says so', async () => {
    const client = new EntenteClient({ consentUrl: api.url, opsUrl: api.url }, () => Promise.resolve('token'));
    const options = { rejectsFile: rejectsFile(), client, notice };
    await expect(importPeople({ ...options, file: join(directory, 'absent.csv') })).rejects.toThrow(/ENOENT/);
    await expect(importPeople({ ...options, file: directory })).rejects.toThrow(/EISDIR/);
  });
});

describe('one person in several rows', () => {
  const rows = ['yes', 'no', 'yes'].map((word) => (word === 'yes' ? 'p1,,,email-marketing,' : 'p1,,,,email-marketing'));
  const others = Array.from({ length: 60 }, (_, index) => `other-${index},,,email-marketing,`);
  const file = [header, rows[0], ...others.slice(0, 30), rows[1], ...others.slice(30), rows[2]].join('\n');

  test('yes, no, yes is three decisions, in the order of the file, never two at once', async () => {
    await take(file);
    const own = api.calls.filter(({ subjectId }) => subjectId === 'p1');
    expect(own.map(({ decisions }) => decisions[0]?.decision)).toEqual(['granted', 'denied', 'granted']);
    expect(new Set(own.map(({ key }) => key)).size).toBe(3);
    expect(api.inFlightOfOne).toBe(1);
    expect(api.decisionsOf('p1')).toEqual({ 'email-marketing': 'granted' });
  });

  test('a second run has the same keys and ends where the first did, although denials do not heed keys (REC-3)', async () => {
    await take(file);
    const first = api.calls.splice(0);
    const result = await take(file);
    const keysOf = (calls: readonly Call[]) => calls.map(({ key }) => key).sort();
    const retaken = api.calls.filter(({ key }) => /-chg_/.test(key));
    expect(keysOf(api.calls.filter((call) => !retaken.includes(call)))).toEqual(keysOf(first));
    expect(retaken).toMatchObject([{ subjectId: 'p1' }]);
    expect(result).toMatchObject({ recorded: 63, rejected: 0, partly: 0 });
    expect(api.decisionsOf('p1')).toEqual({ 'email-marketing': 'granted' });
  });

  test('a second run does not overrule a person who has withdrawn since', async () => {
    await take(file);
    api.withdraw('p1');
    api.withdraw('other-1');
    await take(file);
    expect(api.decisionsOf('p1')).toEqual({ 'email-marketing': 'denied' });
    expect(api.decisionsOf('other-1')).toEqual({ 'email-marketing': 'denied' });
  });
});

describe('a service in trouble', () => {
  const file = `${header}\np1,,,email-marketing,\np2,,,email-marketing,\n`;

  test('that is down for a moment costs no row', async () => {
    await api.close();
    const taking = take(file);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await api.open();
    expect(await taking).toMatchObject({ recorded: 2, rejected: 0 });
  });

  test.each([429, 500, 503])('that answers %i is asked again', async (status) => {
    api.failures = [status, status];
    expect(await take(file)).toMatchObject({ recorded: 2, rejected: 0 });
  });

  test.each([401, 403, 404])(
    'that answers %i to every row ends the import instead of rejecting each',
    async (status) => {
      await writeFile(rejectsFile(), 'what an earlier run has found');
      api.failures = Array.from({ length: 100 }, () => status);
      await expect(take(file)).rejects.toThrow(ProblemAnswer);
      expect(await readFile(rejectsFile(), 'utf8')).toBe('what an earlier run has found');
    },
  );

  test('that stays away ends the import', async () => {
    const gone: EntenteClient = Object.assign(
      new EntenteClient({ consentUrl: api.url, opsUrl: api.url }, () => Promise.resolve('token')),
      { grant: () => Promise.reject(new Unreachable('nobody answers')) },
    );
    const people = join(directory, 'people.csv');
    await writeFile(people, file);
    const patience = { tries: 2, firstPauseMs: 1 };
    await expect(
      importPeople({ file: people, rejectsFile: rejectsFile(), client: gone, notice, patience }),
    ).rejects.toThrow(Unreachable);
  });
});

test.each([
  ['a b', '', 2],
  ['a;b|c', 'd', 4],
  ['', 'a', 1],
])('granted "%s" and denied "%s" are %i decisions', (granted, denied, count) => {
  const asked = toDecisionCall({ subject_id: 'p', email: '', phone: '', granted, denied }, notice);
  expect('call' in asked && asked.call.decisions).toHaveLength(count);
});
