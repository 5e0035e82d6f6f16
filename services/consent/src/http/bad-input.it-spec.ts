import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { CallOptions, ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('bad_input'));
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  await consent.post('/v1/consents', grantAll('anna'), { headers: { 'idempotency-key': 'first' } });
});
afterAll(() => consent?.stop());

/** Everything a refused request could have changed. */
async function everything(): Promise<unknown> {
  const { rows } = await consent.pool.query(
    `SELECT (SELECT jsonb_agg(s ORDER BY subject_key) FROM subject s) AS subjects,
            (SELECT count(*) FROM ledger_entry) AS entries, (SELECT count(*) FROM outbox) AS outbox,
            (SELECT count(*) FROM idempotency) AS keys, (SELECT number FROM catalogue) AS catalogue`,
  );
  return rows[0];
}

interface Case {
  readonly path?: string;
  readonly body: unknown;
  readonly call?: CallOptions;
  readonly status: number;
  readonly code: string;
  readonly pointer?: string;
}

async function refuses({ path = '/v1/consents', body, call, status, code, pointer }: Case): Promise<void> {
  const before = await everything();
  const answer = await consent.post(path, body, call ?? { headers: { 'idempotency-key': 'bad-input' } });
  expect([answer.status, String(answer.body['type'])]).toEqual([status, `urn:entente:problem:${code}`]);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const errors = (answer.body['errors'] ?? []) as { pointer: string }[];
  if (pointer !== undefined) expect(errors.map((error) => error.pointer)).toContain(pointer);
  expect(await everything()).toEqual(before);
}

const grant = (more: object = {}, decision: object = {}) => ({
  subjectId: 'anna',
  notice: { id: 'privacy', version: 1 },
  decisions: [{ purpose: 'analytics', decision: 'granted', ...decision }],
  ...more,
});
const invalid = { status: 400, code: 'invalid-request' };
const withdrawals = '/v1/withdrawals';

describe('JSON', () => {
  test.each<[string, string, string]>([
    ['empty', '', 'body-required'],
    ['null', 'null', 'body-not-an-object'],
    ['an array', '[]', 'body-not-an-object'],
    ['duplicate keys', '{"subjectId":"a","subjectId":"b"}', 'duplicate-key'],
    ['trailing bytes', '{"subjectId":"a"} x', 'malformed-json'],
    ['a byte order mark', '\ufeff{"subjectId":"a"}', 'byte-order-mark'],
    ['a lone surrogate', '{"subjectId":"\\ud800"}', 'bad-text'],
    ['NUL', '{"subjectId":"a\\u0000b"}', 'bad-text'],
    ['__proto__', '{"__proto__":{},"subjectId":"a"}', 'forbidden-key'],
    ['deep nesting', `{"subjectId":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'body-too-deep'],
  ])('%s', (_name, body, code) => refuses({ path: withdrawals, body, status: 400, code, call: json }));

  test('a large body', () =>
    refuses({ body: { subjectId: 'x'.repeat(300_000) }, status: 413, code: 'body-too-large' }));
  test('another media type', () =>
    refuses({
      body: '<a/>',
      call: { headers: { 'content-type': 'text/xml' } },
      status: 415,
      code: 'unsupported-media-type',
    }));
});
const json = { headers: { 'content-type': 'application/json' } };

describe('identifiers', () => {
  test.each<[string, unknown]>([
    ['empty', ''],
    ['blank', '   '],
    ['too long', 'x'.repeat(257)],
    ['CR LF', 'a\r\nSet-Cookie: x'],
    ['a number', 42],
    ['null', null],
    ['a list', ['anna']],
    ['an object', { $ne: '' }],
    ['missing', undefined],
  ])('subjectId %s', (_name, subjectId) =>
    refuses({ path: withdrawals, body: { subjectId }, ...invalid, pointer: '/subjectId' }),
  );

  test.each<[string, object, string]>([
    ['not an address', { email: 'anna(at)example.com' }, '/identifiers/email'],
    ['two addresses', { email: 'a@example.com,b@example.com' }, '/identifiers/email'],
    ['a header in it', { email: 'a@example.com\r\nBcc: b@example.com' }, '/identifiers/email'],
    ['null', { email: null }, '/identifiers/email'],
    ['no country code', { phone: '0612345678' }, '/identifiers/phone'],
    ['letters', { phone: '+33 CALL ME' }, '/identifiers/phone'],
    ['too long', { phone: `+${'1'.repeat(20)}` }, '/identifiers/phone'],
    ['unknown kind', { passport: 'X' }, '/identifiers/passport'],
  ])('%s', (_name, identifiers, pointer) => refuses({ body: grant({ identifiers }), ...invalid, pointer }));

  test.each([
    "'; DROP TABLE subject; --",
    '../../etc/passwd',
    '%00',
    '${7*7}',
    '{{7*7}}',
    '<script>',
    'constructor',
    '\u200bzero',
    '\u202eright',
  ])('a strange id is just an id: %s', async (subjectId) => {
    const recorded = await consent.post(withdrawals, { subjectId });
    expect(recorded.status).toBe(200);
    const read = await consent.get(`/v1/subjects/${encodeURIComponent(subjectId)}/consents`);
    expect(read.body['subjectKey']).toBe(recorded.body['subjectKey']);
  });

  test('ids that look alike are different people', async () => {
    const ids = ['é', 'e\u0301', 'Anna', 'anna ', 'аnna'];
    const answers = await Promise.all(ids.map((subjectId) => consent.post(withdrawals, { subjectId })));
    expect(new Set(answers.map(({ body }) => body['subjectKey'])).size).toBe(ids.length);
  });

  test('the same id at another controller is another person', async () => {
    const token = await consent.token(undefined, 'other-brand');
    await refuses({
      path: withdrawals,
      body: { subjectId: 'anna' },
      call: { token },
      status: 422,
      code: 'no-known-purpose',
    });
  });
});

describe('consent', () => {
  test.each<[string, object, number, string, string | undefined]>([
    ['an unknown field', grant({ version: 9 }), 400, 'invalid-request', '/version'],
    ['no decisions', grant({ decisions: [] }), 400, 'invalid-request', '/decisions'],
    [
      'too many decisions',
      grant({ decisions: Array.from({ length: 10_000 / 10 }, (_, i) => ({ purpose: `p${i}`, decision: 'granted' })) }),
      400,
      'invalid-request',
      '/decisions',
    ],
    ['decisions not a list', grant({ decisions: { purpose: 'analytics' } }), 400, 'invalid-request', '/decisions'],
    ['an unknown decision', grant({}, { decision: 'maybe' }), 400, 'invalid-request', '/decisions/0/decision'],
    [
      'a decision from the future',
      grant({}, { decision: 'granted-v2' }),
      400,
      'invalid-request',
      '/decisions/0/decision',
    ],
    [
      'two decisions for one purpose',
      grant({ decisions: ['granted', 'denied'].map((decision) => ({ purpose: 'analytics', decision })) }),
      400,
      'invalid-request',
      '/decisions/1/purpose',
    ],
    ['an unknown purpose', grant({}, { purpose: 'nonsense' }), 422, 'grant-not-possible', '/decisions/0/purpose'],
    ['no notice', grant({ notice: undefined }), 422, 'grant-not-possible', '/notice'],
    ['an unknown notice', grant({ notice: { id: 'privacy', version: 99 } }), 422, 'grant-not-possible', '/notice'],
    [
      'a notice version as text',
      grant({ notice: { id: 'privacy', version: '1' } }),
      400,
      'invalid-request',
      '/notice/version',
    ],
    ['notice null', grant({ notice: null }), 400, 'invalid-request', '/notice'],
    [
      'an end in the past',
      grant({}, { validUntil: '2020-01-01T00:00:00Z' }),
      422,
      'grant-not-possible',
      '/decisions/0/validUntil',
    ],
    [
      'the year 9999',
      grant({}, { validUntil: '9999-12-31T23:59:59Z' }),
      422,
      'grant-not-possible',
      '/decisions/0/validUntil',
    ],
    [
      'the year -1',
      grant({}, { validUntil: '-0001-01-01T00:00:00Z' }),
      400,
      'invalid-request',
      '/decisions/0/validUntil',
    ],
    [
      'a leap second',
      grant({}, { validUntil: '2028-06-30T23:59:60Z' }),
      400,
      'invalid-request',
      '/decisions/0/validUntil',
    ],
    ['no zone', grant({}, { validUntil: '2028-06-30T23:59:59' }), 400, 'invalid-request', '/decisions/0/validUntil'],
    [
      'a day that does not exist',
      grant({}, { validUntil: '2028-02-30T00:00:00Z' }),
      400,
      'invalid-request',
      '/decisions/0/validUntil',
    ],
    [
      'a malformed recipient',
      grant({}, { refusedRecipients: ['Meta Ads'] }),
      400,
      'invalid-request',
      '/decisions/0/refusedRecipients',
    ],
  ])('%s', (_name, body, status, code, pointer) =>
    refuses({ body, status, code, ...(pointer === undefined ? {} : { pointer }) }),
  );

  test.each<[string, unknown, number, string]>([
    ['an empty list', [], 400, 'invalid-request'],
    ['10k purposes', Array.from({ length: 10_000 }, (_, i) => `p${i}`), 400, 'invalid-request'],
    ['null', null, 400, 'invalid-request'],
    ['text', 'analytics', 400, 'invalid-request'],
    ['numbers', [1], 400, 'invalid-request'],
    ['no known name', ['nonsense', 'constructor'], 422, 'no-known-purpose'],
  ])('withdrawing %s', (_name, purposes, status, code) =>
    refuses({ path: withdrawals, body: { subjectId: 'anna', purposes }, status, code, pointer: '/purposes' }),
  );

  test('a withdrawal that asks why is not this API', () =>
    refuses({ path: withdrawals, body: { subjectId: 'anna', reason: 'tired' }, ...invalid, pointer: '/reason' }));
  test('an unknown way to wait', () =>
    refuses({ path: `${withdrawals}?wait=forever`, body: { subjectId: 'anna' }, ...invalid }));
});

describe('headers', () => {
  test.each<[string, Record<string, string>, number, string]>([
    ['no Idempotency-Key', {}, 400, 'idempotency-key-required'],
    ['an empty one', { 'idempotency-key': '""' }, 400, 'idempotency-key-malformed'],
    ['10 KiB', { 'idempotency-key': 'x'.repeat(10_240) }, 400, 'idempotency-key-malformed'],
    ['not ASCII', { 'idempotency-key': 'cl\u00e9' }, 400, 'idempotency-key-malformed'],
    ['used with another body', { 'idempotency-key': 'first' }, 422, 'idempotency-key-reused'],
    [
      'an If-Match of a version that is not there',
      { 'idempotency-key': 'h', 'if-match': '"77"' },
      412,
      'version-conflict',
    ],
    ['a malformed If-Match', { 'idempotency-key': 'h', 'if-match': 'W/"1"' }, 400, 'if-match-malformed'],
  ])('%s', (_name, headers, status, code) =>
    refuses({ body: grant({ subjectId: 'bob' }), call: { headers }, status, code }),
  );

  test.each<[string, string, number, string]>([
    ['no token', '', 401, 'invalid-token'],
    ['a bad token', 'eyJhbGciOiJub25lIn0.e30.', 401, 'invalid-token'],
  ])('%s', (_name, token, status, code) =>
    refuses({ path: withdrawals, body: { subjectId: 'anna' }, call: { token }, status, code }),
  );

  test('the wrong scope', async () => {
    const token = await consent.token(['consent:read']);
    await refuses({
      path: withdrawals,
      body: { subjectId: 'anna' },
      call: { token },
      status: 403,
      code: 'insufficient-scope',
    });
    await refuses({
      path: '/v1/catalogue/changes',
      body: {},
      call: { token },
      status: 403,
      code: 'insufficient-scope',
    });
  });
});

describe('catalogue', () => {
  const [purpose] = sampleCatalogue.purposes;
  const [recipient] = sampleCatalogue.recipients;
  test.each<[string, object, number, string, string]>([
    [
      'a purpose without French',
      { purposes: [{ ...purpose, id: 'new', title: { en: 'x' } }] },
      400,
      'invalid-request',
      '/purposes/0/title/fr',
    ],
    [
      'a purpose without title',
      { purposes: [{ ...purpose, id: 'new', title: undefined }] },
      400,
      'invalid-request',
      '/purposes/0/title',
    ],
    ['an unknown party', { purposes: [{ ...purpose, party: 'fourth' }] }, 400, 'invalid-request', '/purposes/0/party'],
    ['a bad name', { purposes: [{ ...purpose, id: 'Über' }] }, 400, 'invalid-request', '/purposes/0/id'],
    [
      'a recipient for an unknown purpose',
      { recipients: [{ ...recipient, purposes: ['nonsense'] }] },
      422,
      'catalogue-change-not-possible',
      '/recipients/0/purposes',
    ],
    [
      'an audience without key',
      { recipients: [{ ...recipient, audience: 'webhook-9' }] },
      422,
      'catalogue-change-not-possible',
      '/recipients/0/audience',
    ],
    [
      'a duplicate recipient',
      { recipients: [recipient, recipient] },
      422,
      'catalogue-change-not-possible',
      '/recipients/1',
    ],
    [
      'a notice’s version with other content',
      { notices: [{ ...sampleCatalogue.notices[0], purposes: {} }] },
      409,
      'notice-immutable',
      '/notices/0',
    ],
    [
      'a content hash from outside',
      { notices: [{ ...sampleCatalogue.notices[0], version: 2, contentHash: 'x' }] },
      400,
      'invalid-request',
      '/notices/0/contentHash',
    ],
  ])('%s', (_name, body, status, code, pointer) =>
    refuses({ path: '/v1/catalogue/changes', body, status, code, pointer }),
  );
});

describe('paths', () => {
  test.each([
    ['/v1/subjects/%00/consents', 400],
    ['/v1/subjects/%zz/consents', 400],
    [`/v1/subjects/${'x'.repeat(257)}/consents`, 400],
    ['/v1/nothing', 404],
  ])('%s: %d', async (path, status) => {
    expect((await consent.get(path)).status).toBe(status);
  });
});
