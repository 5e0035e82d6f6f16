import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, CallOptions, ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('imports'), { env: { IMPORT_ROWS_PER_SECOND: '100000' } });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(() => consent?.stop());

const header = 'subject_id,email,phone,granted,denied';
const csv = (...rows: string[]): string => [header, ...rows, ''].join('\n');
const notice = 'notice=privacy@1';

const take = (
  body: string | Uint8Array,
  query = notice,
  headers: Record<string, string> = {},
  token?: string,
): Promise<Answer> =>
  send('POST', `/v1/imports?${query}`, body, {
    headers: { 'content-type': 'text/csv', ...headers },
    ...(token ? { token } : {}),
  });

async function send(
  method: string,
  path: string,
  body: string | Uint8Array | null,
  { token, headers = {} }: CallOptions,
) {
  const bearer = token ?? (await consent.token());
  const response = await fetch(consent.url + path, {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...headers },
    ...(body === null ? {} : { body: body as string }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as Answer['body'] };
}

async function rejectsOf({ body }: Answer): Promise<{ line: number; partly: boolean; reason: string }[]> {
  const response = await fetch(`${consent.url}/v1/imports/${String(body['id'])}/rejects`, {
    headers: { authorization: `Bearer ${await consent.token()}` },
  });
  return (await response.text())
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { line: number; partly: boolean; reason: string });
}

async function decisionsOf(subjectId: string): Promise<Record<string, string>> {
  const { body } = await consent.get(`/v1/subjects/${encodeURIComponent(subjectId)}/consents`);
  const purposes = (body['purposes'] ?? []) as { purpose: string; decision: string }[];
  return Object.fromEntries(purposes.map(({ purpose, decision }) => [purpose, decision]));
}

/** Everything that an import could have changed beside its own job. */
async function everything(): Promise<unknown> {
  const { rows } = await consent.pool.query(
    `SELECT (SELECT jsonb_agg(s ORDER BY subject_key) FROM subject s) AS subjects, (SELECT last_value FROM outbox_id_seq) AS rows,
            (SELECT count(*) FROM ledger_entry) AS entries, (SELECT count(*) FROM outbox) AS outbox`,
  );
  return rows[0];
}

const person = () => `p-${randomBytes(6).toString('hex')}`;

describe('a file of people', () => {
  test('dirty as files are: good rows are taken, the others are rejects with their line and reason', async () => {
    const [a, b, c, d] = [person(), person(), person(), person()];
    const done = await take(
      [
        `\uFEFF${header}`,
        `${a},a@example.org,+33 6 12 34 56 78,email-marketing analytics,ad-targeting`,
        '',
        `${b},not an address,,analytics,ad-targeting`,
        `p3,p3@example.org,,telepathy,`,
        `${c},,,analytics,analytics`,
        'p5,,,,',
        ',x@example.org,,analytics,',
        'p7,,,analytics',
        `${d},,,telepathy,analytics`,
        `"p10,,,analytics,`,
        `p11,,,,telepathy`,
        `p12,,,"anna@example.org (private)",`,
        'x'.repeat(70_000),
        `${a},,,email-marketing,`,
      ].join('\r\n'),
    );
    expect(done).toMatchObject({
      status: 201,
      body: { state: 'done', rows: 13, recorded: 4, unchanged: 1, partly: 3, rejected: 8 },
    });
    const unknown = 'is not a known purpose';
    expect(await rejectsOf(done)).toEqual([
      {
        line: 4,
        partly: true,
        reason: 'recorded only in part, 2 decisions asked; /identifiers/email: must be an e-mail address',
      },
      { line: 5, partly: false, reason: `/decisions/0/purpose: ${unknown}` },
      {
        line: 6,
        partly: true,
        reason: 'recorded only in part, 1 decisions asked; analytics: both granted and denied, so denied',
      },
      { line: 7, partly: false, reason: 'no decision: granted and denied are empty' },
      { line: 8, partly: false, reason: 'subject_id is empty' },
      { line: 9, partly: false, reason: 'column denied is missing' },
      { line: 10, partly: true, reason: `recorded only in part, 2 decisions asked; telepathy: ${unknown}` },
      { line: 11, partly: false, reason: 'not readable as CSV: a quotation mark is not closed on this line' },
      { line: 12, partly: false, reason: '/decisions: names no known purpose' },
      { line: 13, partly: false, reason: `/decisions/0/purpose: ${unknown}; /decisions/1/purpose: ${unknown}` },
      { line: 14, partly: false, reason: 'longer than 65536 bytes' },
    ]);
    expect(await decisionsOf(a)).toEqual({
      analytics: 'granted',
      'ad-targeting': 'denied',
      'email-marketing': 'granted',
    });
    expect(await decisionsOf(b)).toEqual({ 'ad-targeting': 'denied' });
    expect(await decisionsOf(c)).toEqual({ analytics: 'denied' });
  });

  test('says on the ledger that it is an import, and which', async () => {
    const id = person();
    const { body } = await take(csv(`${id},${id}@example.org,,analytics,`));
    const history = await consent.get(`/v1/subjects/${id}/history`);
    expect(history.body['entries']).toMatchObject([
      { changes: [{ cause: 'import' }], method: 'import', actor: { client: 'test-client', import: body['id'] } },
    ]);
    const { rows } = await consent.pool.query(`SELECT string_agg(r.reason, ' ') AS told FROM import_reject r`);
    expect(JSON.stringify(rows)).not.toMatch(/@example\.org/);
  });

  test('taken again records nothing twice', async () => {
    const [a, b] = [person(), person()];
    const file = csv(
      `${a},${a}@example.org,,analytics email-marketing,`,
      `${b},,,,analytics`,
      `${a},,,,email-marketing`,
    );
    await take(file);
    const before = await everything();
    expect(await take(file)).toMatchObject({ body: { recorded: 0, unchanged: 3, partly: 1, rejected: 0 } });
    expect(await everything()).toMatchObject({ subjects: (before as { subjects: unknown }).subjects });
    expect((await everything()) as object).toMatchObject({ entries: (before as { entries: unknown }).entries });
  });

  test('NDJSON takes the body of POST /v1/consents, row by row', async () => {
    const [a, b] = [person(), person()];
    const lines = [
      { ...grantAll(a), evidence: { channel: 'shop-42', locale: 'fr' } },
      {
        subjectId: b,
        decisions: [
          { purpose: 'analytics', decision: 'objected' },
          { purpose: 'ad-targeting', decision: 'withdrawn' },
        ],
      },
      { subjectId: b, decisions: [{ purpose: 'analytics', decision: 'maybe' }] },
    ].map((line) => JSON.stringify(line));
    const deep = `{"subjectId":"x","decisions":${'['.repeat(40)}${']'.repeat(40)}}`;
    const done = await take([...lines, '{"subjectId":', deep, '[]', '{"decisions":[],"decisions":[]}'].join('\n'), '', {
      'content-type': 'application/x-ndjson; charset=utf-8',
    });
    expect(done.body).toMatchObject({ rows: 7, recorded: 2, rejected: 5, format: 'ndjson' });
    expect((await rejectsOf(done)).map(({ reason }) => reason)).toEqual([
      '/decisions/0/decision: must be one of granted, denied, withdrawn, objected',
      ...['malformed-json', 'body-too-deep', 'body-not-an-object', 'duplicate-key'].map(
        (code) => `not readable as JSON: ${code}`,
      ),
    ]);
    expect(await decisionsOf(b)).toEqual({ analytics: 'objected', 'ad-targeting': 'withdrawn' });
  });
});

describe('REC-7: an import never undoes a no', () => {
  test('the re-import that undid opt-outs', async () => {
    const id = person();
    const file = csv(`${id},,,analytics email-marketing,`);
    await take(file);
    await consent.post('/v1/withdrawals', { subjectId: id, purposes: ['analytics'] });
    const again = await take(file);
    expect(await decisionsOf(id)).toEqual({ analytics: 'withdrawn', 'email-marketing': 'granted' });
    expect((await rejectsOf(again)).map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/standing-refusal: analytics/),
    ]);
  });

  test('no, then yes in one file stays no; yes, then no is no', async () => {
    const [a, b] = [person(), person()];
    const done = await take(csv(`${a},,,,analytics`, `${a},,,analytics,`, `${b},,,analytics,`, `${b},,,,analytics`));
    expect(done.body).toMatchObject({ recorded: 3, rejected: 1 });
    expect((await rejectsOf(done))[0]).toMatchObject({
      line: 3,
      reason: expect.stringMatching(/^standing-refusal: /),
    });
    expect([await decisionsOf(a), await decisionsOf(b)]).toEqual([{ analytics: 'denied' }, { analytics: 'denied' }]);
  });

  test('nor prolongs or widens what a person granted', async () => {
    const id = person();
    const own = {
      ...grantAll(id),
      decisions: [
        {
          purpose: 'ad-targeting',
          decision: 'granted',
          validUntil: '2027-06-01T00:00:00Z',
          refusedRecipients: ['meta-ads'],
        },
      ],
    };
    await consent.post('/v1/consents', own, { headers: { 'idempotency-key': id } });
    const before = await consent.get(`/v1/subjects/${id}/consents`);
    const row = (validUntil: string) =>
      `{"subjectId":"${id}","decisions":[{"purpose":"ad-targeting","decision":"granted","validUntil":"${validUntil}"}]}`;
    expect((await take(row('2029-01-01T00:00:00Z'), `format=ndjson&${notice}`)).body).toMatchObject({ unchanged: 1 });
    expect((await consent.get(`/v1/subjects/${id}/consents`)).body).toEqual(before.body);
    expect((await take(row('2027-03-01T00:00:00Z'), `format=ndjson&${notice}`)).body).toMatchObject({ recorded: 1 });
  });
});

describe('an upload', () => {
  const people = Array.from({ length: 700 }, () => person());
  const file = csv(...people.map((id) => `${id},,,analytics,`));

  test('in parts, cut where they happen to end, goes on where it stands; what was taken is skipped', async () => {
    const begun = await send('POST', `/v1/imports?format=csv&${notice}`, null, {
      headers: { 'upload-length': String(file.length), 'upload-complete': '?0' },
    });
    expect(begun).toMatchObject({ status: 201, body: { state: 'open', position: { bytes: 0, total: file.length } } });
    const path = String(begun.headers.get('location'));
    const part = (offset: number, end: number, more: Record<string, string> = {}) =>
      send('PATCH', path, file.slice(offset, end), {
        headers: { 'content-type': 'text/csv', 'upload-offset': String(offset), ...more },
      });
    const more = { 'upload-complete': '?0' };
    const first = await part(0, 8_011, more);
    const { bytes } = first.body['position'] as unknown as { bytes: number };
    expect(bytes).toBeLessThanOrEqual(8_011);
    expect([file.charAt(bytes - 1), first.headers.get('upload-offset')]).toEqual(['\n', String(bytes)]);
    expect(await part(bytes + 1, 12_000, more)).toMatchObject({ status: 409, body: { position: bytes } });
    const second = await part(0, 12_000, more);
    expect(second.body['rows']).toBe(file.slice(0, 12_000).split('\n').length - 2);
    const last = await part(Number(second.headers.get('upload-offset')), file.length);
    expect(last).toMatchObject({ status: 200, body: { state: 'done', rows: 700, recorded: 700, unchanged: 0 } });
    expect(await part(0, 100)).toMatchObject({ status: 200, body: { state: 'done', rows: 700 } });
  });

  test('that is cut off leaves what was settled, and the same request again goes on from there', async () => {
    const rows = Array.from({ length: 1_000 }, () => `${person()},,,email-marketing,`);
    const whole = csv(...rows);
    const headers = {
      'content-type': 'text/csv',
      'idempotency-key': 'cut',
      authorization: `Bearer ${await consent.token()}`,
    };
    const cut = request(`${consent.url}/v1/imports?${notice}`, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(whole.length) },
    });
    const ended = new Promise((resolve) => cut.on('error', resolve));
    cut.write(whole.slice(0, whole.length / 2));
    const settled = async () => {
      const { rows: found } = await consent.pool.query<{ rows: number }>(
        `SELECT rows FROM import_job WHERE request_key = 'cut'`,
      );
      return found[0]?.rows ?? 0;
    };
    while ((await settled()) < 400) await new Promise((resolve) => setTimeout(resolve, 10));
    const other = await take(whole, 'notice=privacy@2', headers);
    expect([other.status, other.body['type']]).toEqual([422, 'urn:entente:problem:idempotency-key-reused']);
    cut.destroy();
    await ended;
    let again = await take(whole, notice, headers);
    while (again.status === 409) again = await take(whole, notice, headers);
    expect(again).toMatchObject({ status: 201, body: { state: 'done', rows: 1_000, rejected: 0 } });
    expect(Number(again.body['recorded']) + Number(again.body['unchanged'])).toBe(1_000);
  });

  test('goes in short steps while people decide for themselves', async () => {
    const rows = Array.from({ length: 100 }, () => `${person()},,,email-marketing,`);
    const begun = request(`${consent.url}/v1/imports?${notice}`, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'text/csv', 'idempotency-key': 'beside', 'content-length': '100000' },
        authorization: `Bearer ${await consent.token()}`,
      },
    });
    const ended = new Promise((resolve) => begun.on('error', resolve));
    try {
      await consent.post('/v1/withdrawals', { subjectId: person() });
      begun.write(csv(...rows));
      // Alone it would wait for more of the file.
      for (let settled = 0; settled < 40;) {
        await consent.post('/v1/withdrawals', { subjectId: person() });
        const sql = `SELECT rows FROM import_job WHERE request_key = 'beside'`;
        settled = (await consent.pool.query<{ rows: number }>(sql)).rows[0]?.rows ?? 0;
      }
    } finally {
      begun.destroy();
    }
    await ended;
    const held = `SELECT FROM import_job WHERE request_key = 'beside' AND held_until > clock_timestamp()`;
    while ((await consent.pool.query(held)).rowCount === 1) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  test('judged dry changes nothing, and says what would be', async () => {
    const [a, b] = [person(), person()];
    await take(csv(`${a},,,,analytics`));
    const before = await everything();
    const judged = await take(
      csv(`${a},,,analytics,`, `${b},,,analytics,`, `${a},,,,analytics`),
      `${notice}&dryRun=true`,
    );
    expect(judged.body).toMatchObject({ dryRun: true, rows: 3, recorded: 1, unchanged: 1, rejected: 1 });
    expect(await everything()).toEqual(before);
  });
});

describe('scopes', () => {
  test('an import needs consent:import; its grants need consent:grant, its denials nothing more (REC-3)', async () => {
    const id = person();
    const file = csv(`${id},,,email-marketing,analytics`);
    const granting = await consent.token(['consent:grant', 'consent:withdraw']);
    expect(await take(file, notice, {}, granting)).toMatchObject({ status: 403 });
    const importing = await consent.token(['consent:import']);
    expect(await take(file, notice, {}, importing)).toMatchObject({ body: { recorded: 1, partly: 1 } });
    expect(await decisionsOf(id)).toEqual({ analytics: 'denied' });
  });

  test('another controller’s import is not there', async () => {
    const { body } = await take(csv());
    const token = await consent.token(['consent:import'], 'globex');
    expect(await consent.get(`/v1/imports/${String(body['id'])}`, { token })).toMatchObject({ status: 404 });
  });
});

describe('bad input has its precise problem and leaves nothing behind', () => {
  const before = async (): Promise<unknown> => {
    const { rows } = await consent.pool.query<object>(
      `SELECT (SELECT count(*) FROM import_job) AS jobs, (SELECT sum(version) FROM subject) AS versions,
              (SELECT last_value FROM outbox_id_seq) AS outbox`,
    );
    return rows;
  };
  test.each<[string, string | Uint8Array, string, Record<string, string>, number, string]>([
    ['only blank lines', '\n\r\n \n', notice, {}, 422, 'unusable-file'],
    ['a missing column', 'subject_id,email,phone,granted\np1,,,analytics\n', notice, {}, 422, 'unusable-file'],
    ['UTF-16', Buffer.from(`\uFEFF${csv()}`, 'utf16le'), notice, {}, 422, 'unusable-file'],
    ['a first line with NUL', `${header},\0\n`, notice, {}, 422, 'unusable-file'],
    ['another media type', '<a/>', notice, { 'content-type': 'text/xml' }, 415, 'unsupported-media-type'],
    ['gzip', csv(), notice, { 'content-encoding': 'gzip' }, 415, 'unsupported-media-type'],
    ['another format', csv(), 'format=xlsx', {}, 400, 'invalid-request'],
    ['a notice that is none', csv(), 'notice=privacy', {}, 400, 'invalid-request'],
    ['purposes that are no object', csv(), 'purposes=[]', {}, 400, 'invalid-request'],
    ['an Upload-Complete that is none', csv(), notice, { 'upload-complete': 'yes' }, 400, 'invalid-request'],
    ['an Upload-Length that is none', csv(), notice, { 'upload-length': '-1' }, 400, 'invalid-request'],
  ])('%s', async (_name, body, query, headers, status, code) => {
    const stood = await before();
    const answer = await take(body, query, headers);
    expect([answer.status, answer.body['type']]).toEqual([status, `urn:entente:problem:${code}`]);
    expect(await before()).toEqual(stood);
  });

  test('no such import', async () => {
    for (const id of ['imp_x', 'imp_019a0000-0000-7000-8000-000000000000', '..'])
      expect(
        await send('PATCH', `/v1/imports/${encodeURIComponent(id)}`, 'x', { headers: { 'upload-offset': '0' } }),
      ).toMatchObject({ status: 404 });
  });
});
