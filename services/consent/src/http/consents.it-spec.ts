import { randomBytes, randomUUID } from 'node:crypto';
import { controllerId, parseKeyRing, subjectKey, unseal } from '@entente/contracts';
import type { Audience } from '@entente/contracts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseKeyRings } from '../config.ts';
import { unwrapDataKey } from '../erasure/data-keys.ts';
import { testDatabase } from '@entente/test-support';
import { databaseOf, grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;
const withKey = (key: string = randomUUID()) => ({ headers: { 'idempotency-key': key } });
const grant = (subjectId: string, ...purposes: string[]) => ({
  subjectId,
  notice: { id: 'privacy', version: 1 },
  decisions: purposes.map((purpose) => ({ purpose, decision: 'granted' })),
});
const code = ({ status, body }: Answer) => [status, String(body['type']).replace('urn:entente:problem:', '')];

interface OutboxRow {
  readonly aggregatetype: string;
  readonly lane: number;
  readonly event_id: string;
  readonly payload: Record<string, unknown> & { version: number; sealed: Record<Audience, string> };
}
async function outboxOf(subjectKey: unknown): Promise<OutboxRow[]> {
  const sql = 'SELECT aggregatetype, lane, event_id, payload FROM outbox WHERE aggregateid = $1 ORDER BY id';
  return (await consent.pool.query<OutboxRow>(sql, [subjectKey])).rows;
}

beforeAll(async () => {
  consent = await startConsent(await testDatabase('consents'));
  const { status, body } = await consent.post('/v1/catalogue/changes', sampleCatalogue);
  expect({ status, body }).toEqual({ status: 200, body: { number: 1, changed: true } });
});
afterAll(() => consent?.stop());

describe('one change', () => {
  test('G-4 REC-1 a grant writes state, ledger, queue and one outbox row', async () => {
    const identifiers = { email: 'Anna@Example.com', phone: '+33 6 12 34 56 78' };
    const { status, body } = await consent.post('/v1/consents', grantAll('anna', identifiers), withKey());
    expect({ status, body }).toMatchObject({ status: 200, body: { version: 1, ignored: [] } });
    const rows = await outboxOf(body['subjectKey']);
    expect(rows).toMatchObject([{ aggregatetype: 'consent.changes.v1', lane: 1 }]);
    expect(rows[0]?.payload).toMatchObject({
      ...{ version: 1, direction: 'grant', catalogue: 1, committedAt: body['committedAt'] },
      recipients: ['hubspot-crm', 'meta-ads', 'segment'],
    });
    const { rows: entries } = await consent.pool.query(
      `SELECT e.entry::jsonb AS entry, p.entry_id IS NOT NULL AS queued
         FROM ledger_entry e LEFT JOIN ledger_pending p ON p.entry_id = e.id WHERE subject_key = $1`,
      [body['subjectKey']],
    );
    expect(entries).toMatchObject([{ queued: true, entry: { version: 1, committedAt: body['committedAt'] } }]);
    expect(entries[0].entry).not.toHaveProperty('sealed');
  });

  test('X-5 SEAL-1 each audience gets what its recipients declare, and nothing is stored in the clear', async () => {
    const { body } = await consent.post(
      '/v1/consents',
      grantAll('sealed-1', { email: 'Sealed@Example.com' }),
      withKey(),
    );
    const [row] = await outboxOf(body['subjectKey']);
    const rings = parseKeyRings(consent.config.audienceKeys);
    const opened = Object.fromEntries(
      await Promise.all(
        [...rings].map(async ([name, ring]) => [name, await unseal(ring, row!.payload.sealed[name]!)] as const),
      ),
    );
    expect(opened).toEqual({
      crm: { email: 'sealed@example.com' },
      analytics: { 'subject-id': 'sealed-1' },
      'ad-partner': { 'meta-email': expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    const { rows } = await consent.pool.query(
      `SELECT identifiers_sealed, (SELECT wrapped FROM subject_secret k WHERE k.subject_key = s.subject_key) AS wrapped,
              s::text || (SELECT string_agg(l.entry, '') FROM ledger_entry l) ||
              (SELECT string_agg(o.payload::text, '') FROM outbox o) AS everything
         FROM subject s WHERE subject_key = $1`,
      [body['subjectKey']],
    );
    expect(rows[0].everything).not.toMatch(/sealed@example|sealed-1/i);
    const owner = { controller: controllerId('acme'), subjectKey: subjectKey(String(body['subjectKey'])) };
    const dataKey = await unwrapDataKey(parseKeyRing(consent.config.identifierKeys), owner, rows[0].wrapped);
    expect(await unseal([dataKey], rows[0].identifiers_sealed)).toEqual({
      subjectId: 'sealed-1',
      email: 'sealed@example.com',
    });
  });

  test('REC-6 a withdrawal writes both lanes, urgent first, with one id', async () => {
    await consent.post('/v1/consents', grantAll('bert'), withKey());
    const { status, headers, body } = await consent.post('/v1/withdrawals', { subjectId: 'bert' });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        version: 2,
        decisions: ['ad-targeting', 'analytics', 'email-marketing'].map((purpose) => ({
          purpose,
          decision: 'withdrawn',
        })),
        links: { propagation: `http://localhost:8084/v1/propagations/${String(body['changeId'])}` },
      },
    });
    expect(headers.get('etag')).toBe('"2"');
    const eventId = String(body['changeId']).replace('chg_', '');
    expect((await outboxOf(body['subjectKey'])).slice(1)).toMatchObject([
      { aggregatetype: 'consent.revocations.v1', lane: 0, event_id: eventId, payload: { direction: 'deny' } },
      { aggregatetype: 'consent.changes.v1', lane: 1, event_id: eventId, payload: { direction: 'deny' } },
    ]);
  });

  test('P-7 a person never heard of is recorded with everything withdrawn', async () => {
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'stranger' });
    expect(body).toMatchObject({ version: 1, decisions: [{}, {}, {}] });
    const read = await consent.get('/v1/subjects/stranger/consents');
    expect(read.body).toMatchObject({ version: 1, purposes: [{ decision: 'withdrawn', effective: false }, {}, {}] });
    // The id may be mistyped, so the answer says that nobody was known by it, and says it again when asked again.
    expect(body['firstSeen']).toBe(true);
    const again = await consent.post('/v1/withdrawals', { subjectId: 'stranger' });
    expect(again.body).toMatchObject({ version: 1, alreadyDenied: true, firstSeen: true });
    expect(again.body).not.toHaveProperty('isOnly');
  });

  test('of somebody known, by a grant, a banner or a signal, no answer says that nobody was', async () => {
    const withdraw = (subjectId: string, more: object = {}) => consent.post('/v1/withdrawals', { subjectId, ...more });
    const granted = await consent.post('/v1/consents', grantAll('no-stranger'), withKey());
    const known = await withdraw('no-stranger');
    const retried = await withdraw('no-stranger');
    const decisions = [
      { purpose: 'analytics', decision: 'granted' },
      { purpose: 'ad-targeting', decision: 'denied' },
    ];
    const banner = await consent.post('/v1/consents', { ...grantAll('by-banner'), decisions }, withKey());
    const standing = await withdraw('by-banner', { purposes: ['ad-targeting'] });
    await withdraw('twice', { purposes: ['analytics'] });
    await withdraw('twice');
    const second = await withdraw('twice', { purposes: ['analytics'] });
    for (const { status, body } of [granted, known, retried, banner, standing, second]) {
      expect(status).toBe(200);
      expect(body).not.toHaveProperty('firstSeen');
    }
  });

  test('X-2 REC-3 a repeated withdrawal answers with the standing change', async () => {
    await consent.post('/v1/consents', grantAll('carl'), withKey());
    const first = await consent.post('/v1/withdrawals', { subjectId: 'carl', purposes: ['analytics'] });
    await consent.post('/v1/withdrawals', { subjectId: 'carl', purposes: ['ad-targeting'] });
    const again = await consent.post('/v1/withdrawals', { subjectId: 'carl', purposes: ['analytics', 'nonsense'] });
    const { changeId, version, committedAt } = first.body;
    expect(again.body).toMatchObject({ changeId, version, committedAt, alreadyDenied: true, ignored: ['nonsense'] });
    expect(await outboxOf(first.body['subjectKey'])).toHaveLength(5);
  });

  test('reading: what was decided, and 304 for who has it already', async () => {
    const { body } = await consent.post('/v1/consents', grantAll('dora'), withKey());
    const read = await consent.get('/v1/subjects/dora/consents');
    expect(read).toMatchObject({ status: 200, body: { subjectKey: body['subjectKey'], version: 1 } });
    expect(read.body['purposes']).toMatchObject([
      { purpose: 'ad-targeting', decision: 'granted', notice: 'privacy@1', effective: true },
      { purpose: 'analytics' },
      { purpose: 'email-marketing' },
    ]);
    const tag = { headers: { 'if-none-match': '"1"' } };
    expect((await consent.get('/v1/subjects/dora/consents', tag)).status).toBe(304);
    expect((await consent.get('/v1/subjects/nobody/consents')).status).toBe(404);
    const other = await consent.token(['consent:read'], 'other-brand');
    expect((await consent.get('/v1/subjects/dora/consents', { token: other })).status).toBe(404);
  });

  test('a path holds any subject id, percent-encoded', async () => {
    const subjectId = `${'ж/ '.repeat(80)}end`;
    await consent.post('/v1/withdrawals', { subjectId });
    expect((await consent.get(`/v1/subjects/${encodeURIComponent(subjectId)}/consents`)).status).toBe(200);
  });
});

describe('H-2 Idempotency-Key', () => {
  test('same key, same body: the same answer and one change', async () => {
    const key = withKey();
    const first = await consent.post('/v1/consents', grantAll('ida'), key);
    await consent.post('/v1/withdrawals', { subjectId: 'ida' });
    const again = await consent.post('/v1/consents', grantAll('ida'), key);
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect((await consent.get('/v1/subjects/ida/consents')).body).toMatchObject({ version: 2 });
  });

  test('concurrent duplicates: one change', async () => {
    const key = withKey();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => consent.post('/v1/consents', grantAll('ina'), key)),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${String(body['changeId'])}`)).size).toBe(1);
    expect(await outboxOf(answers[0]?.body['subjectKey'])).toHaveLength(1);
  });

  test('concurrent uses of one key for different people: one is recorded', async () => {
    const key = withKey();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => consent.post('/v1/consents', grantAll(`ivo-${index}`), key)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(9);
  });

  test('same key, other body: 422, nothing recorded; another client or route may use it', async () => {
    const key = withKey();
    await consent.post('/v1/consents', grantAll('iris'), key);
    expect(code(await consent.post('/v1/consents', grantAll('iris-2'), key))).toEqual([422, 'idempotency-key-reused']);
    expect((await consent.get('/v1/subjects/iris-2/consents')).status).toBe(404);
    const token = await consent.token(undefined, 'acme', 'other-client');
    expect((await consent.post('/v1/consents', grantAll('iris-2'), { ...key, token })).status).toBe(200);
  });

  test('X-2 REC-3 a withdrawal is recorded whatever its key says', async () => {
    const key = withKey();
    await consent.post('/v1/consents', grantAll('igor'), key);
    for (const headers of [key.headers, { 'idempotency-key': 'ü', 'if-match': 'nonsense' }, { 'if-match': '"99"' }]) {
      const { body } = await consent.post('/v1/withdrawals', { subjectId: 'igor' }, { headers });
      expect(body['decisions']).toMatchObject([{ decision: 'withdrawn' }, {}, {}]);
    }
  });

  test('REC-3 a mixed save whose key is missing records what it denies', async () => {
    await consent.post('/v1/consents', grant('ilse', 'analytics'), withKey());
    const { status, body } = await consent.post('/v1/consents', {
      ...grant('ilse', 'email-marketing'),
      decisions: [
        { purpose: 'email-marketing', decision: 'granted' },
        { purpose: 'analytics', decision: 'denied' },
      ],
    });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        decisions: [{ purpose: 'analytics', decision: 'denied' }],
        refused: [{ purpose: 'email-marketing', code: 'idempotency-key-required' }],
      },
    });
  });

  test('H-3 If-Match of another version stops a grant alone', async () => {
    await consent.post('/v1/consents', grantAll('ines'), withKey());
    const stale = { headers: { ...withKey().headers, 'if-match': '"7"' } };
    expect(code(await consent.post('/v1/consents', grant('ines', 'analytics'), stale))).toEqual([
      412,
      'version-conflict',
    ]);
  });

  test('Z-3 scopes: consent:withdraw may refuse but not grant', async () => {
    const token = await consent.token(['consent:withdraw']);
    const denial = { subjectId: 'ingo', decisions: [{ purpose: 'analytics', decision: 'denied' }] };
    expect((await consent.post('/v1/consents', denial, { token })).status).toBe(200);
    const refused = await consent.post('/v1/consents', grantAll('ingo'), { ...withKey(), token });
    expect(code(refused)).toEqual([403, 'insufficient-scope']);
    const onlyGrant = await consent.token(['consent:grant']);
    expect((await consent.post('/v1/withdrawals', { subjectId: 'ingo' }, { token: onlyGrant })).status).toBe(403);
  });
});

describe('subjects', () => {
  test('keys and sealed identifiers are given to those who share', async () => {
    const known = await consent.post('/v1/consents', grantAll('sam', { email: 'sam@example.com' }), withKey());
    const keys = await consent.post('/v1/subject-keys', { subjectIds: ['sam', 'unheard-of'] });
    expect(keys.body).toEqual({
      subjects: [
        { subjectId: 'sam', subjectKey: known.body['subjectKey'], known: true },
        { subjectId: 'unheard-of', subjectKey: expect.stringMatching(/^k1\./), known: false },
      ],
    });
    const subjectKeys = keys.body['subjects'] as unknown as { subjectKey: string }[];
    const sealed = await consent.post('/v1/sealed', {
      audience: 'crm',
      subjectKeys: subjectKeys.map(({ subjectKey }) => subjectKey),
    });
    const texts = sealed.body['sealed'] as unknown as Record<string, string>;
    expect(Object.keys(texts)).toEqual([known.body['subjectKey']]);
    const ring = parseKeyRings(consent.config.audienceKeys).get('crm' as Audience)!;
    expect(await unseal(ring, texts[String(known.body['subjectKey'])]!)).toEqual({ email: 'sam@example.com' });
    expect(
      (await consent.post('/v1/sealed', { audience: 'nobody', subjectKeys: [known.body['subjectKey']] })).status,
    ).toBe(404);
    const shareKey = await consent.get('/v1/audiences/crm/share-key');
    expect(shareKey.body).toEqual({ kid: 'crm-s1', key: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
  });
});

const sameKeys = () => ({
  SUBJECT_HASH_KEYS: consent.config.subjectHashKeys,
  IDENTIFIER_KEYS: consent.config.identifierKeys,
  AUDIENCE_KEYS: JSON.stringify(consent.config.audienceKeys),
});

test('a denial is recorded although a key was lost: the event brings what can be sealed', async () => {
  await consent.post('/v1/consents', grantAll('key-lost', { email: 'lost@example.com' }), withKey());
  const { crm, analytics } = consent.config.audienceKeys;
  const env = {
    ...sameKeys(),
    IDENTIFIER_KEYS: `other:${randomBytes(32).toString('base64url')}`,
    AUDIENCE_KEYS: JSON.stringify({ crm, analytics }),
  };
  const without = await startConsent(databaseOf(consent), { env, logLevel: 'silent' });
  try {
    const { status, body } = await without.post('/v1/withdrawals', { subjectId: 'key-lost' });
    expect({ status, body }).toMatchObject({ status: 200, body: { version: 2 } });
    const [, urgent] = await outboxOf(body['subjectKey']);
    expect(Object.keys(urgent!.payload.sealed)).toEqual(['analytics']);
  } finally {
    await without.stop();
  }
});

test('K-3 a new hash key serves new people; those known before keep theirs', async () => {
  const before = await consent.post('/v1/consents', grantAll('known-before'), withKey());
  const keys = `${consent.config.subjectHashKeys},2:${randomBytes(32).toString('base64url')}`;
  const rotated = await startConsent(databaseOf(consent), { env: { ...sameKeys(), SUBJECT_HASH_KEYS: keys } });
  try {
    const known = await rotated.post('/v1/withdrawals', { subjectId: 'known-before' });
    expect(known.body).toMatchObject({ subjectKey: before.body['subjectKey'], version: 2 });
    const fresh = await rotated.post('/v1/withdrawals', { subjectId: 'known-after' });
    expect(fresh.body['subjectKey']).toMatch(/^k2\./);
    expect((await rotated.get('/v1/subjects/known-before/consents')).status).toBe(200);
  } finally {
    await rotated.stop();
  }
});
