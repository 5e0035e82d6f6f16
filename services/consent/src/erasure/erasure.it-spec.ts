import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { parseKeyRing, unseal } from '@entente/contracts';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('erasure'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(async () => {
  await consent?.stop();
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const erase = (subjectId: string) => consent.post(`/v1/subjects/${subjectId}/erasure`, undefined);
const planted = { email: 'planted.person@example.com', phone: '+33612345678' };
const grant = (subjectId: string, more: object = {}) =>
  consent.post('/v1/consents', { ...grantAll(subjectId, planted), ...more }, key());
const imported = { evidence: { method: 'import' } };

/** Every row of every table of the schema, as text. */
async function dump(): Promise<string> {
  const { rows: tables } = await consent.pool.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables
      WHERE table_schema = 'consent' AND table_type = 'BASE TABLE'`,
  );
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await consent.pool.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
      return rows.map(({ text }) => `${name}: ${text}`).join('\n');
    }),
  );
  return texts.join('\n');
}

const rowOf = async (subjectKey: unknown) =>
  (
    await consent.pool.query(
      `SELECT version, vector, identifiers_sealed, erased_at IS NOT NULL AS erased,
              (SELECT count(*)::int FROM subject_secret k WHERE k.subject_key = s.subject_key) AS secrets
         FROM subject s WHERE subject_key = $1`,
      [subjectKey],
    )
  ).rows[0] as Record<string, unknown>;

describe('REC-8 erasure', () => {
  test('REC-8 the signals kept of the person go with them', async () => {
    const { body: granted } = await grant('selma');
    const sql = 'SELECT kind FROM signal WHERE subject_key = $1';
    const kept = async () => (await consent.pool.query<{ kind: string }>(sql, [granted['subjectKey']])).rows;
    const { status } = await consent.post('/v1/signals', { subjectId: 'selma', kind: 'gpc', raw: '1' });
    expect(status).toBe(200);
    expect(await kept()).not.toEqual([]);
    await erase('selma');
    expect(await kept()).toEqual([]);
  });

  test('X-4 REC-8 a value with its version and an empty vector, on both lanes, to every recipient', async () => {
    const { body: granted } = await grant('anna');
    const { status, body } = await erase('anna');
    expect(status).toBe(200);
    expect(body).toMatchObject({ subjectKey: granted['subjectKey'], version: 2 });
    expect(body['decisions']).toContainEqual({ purpose: 'analytics', decision: 'erased' });
    expect(await rowOf(granted['subjectKey'])).toEqual({
      ...{ version: 2, vector: {}, identifiers_sealed: null, erased: true, secrets: 0 },
    });
    const { rows } = await consent.pool.query<{ lane: number; payload: Record<string, unknown> }>(
      `SELECT lane, payload FROM outbox WHERE aggregateid = $1 AND (payload ->> 'version')::int = 2 ORDER BY lane`,
      [granted['subjectKey']],
    );
    expect(rows.map(({ lane }) => lane)).toEqual([0, 1]);
    expect(rows[0]?.payload).toMatchObject({
      ...{ direction: 'deny', vector: {}, recipients: ['hubspot-crm', 'meta-ads', 'segment'] },
    });
    expect(rows[0]?.payload['changes']).toContainEqual({
      ...{ purpose: 'analytics', from: 'granted', to: 'erased', cause: 'erasure' },
    });
    // The connectors need what they are to erase; it is sealed for them alone, and leaves with Kafka's retention.
    const sealed = rows[0]?.payload['sealed'] as Record<string, string>;
    const ring = parseKeyRing(consent.config.audienceKeys['crm'] ?? '');
    expect(await unseal(ring, sealed['crm'] ?? '')).toEqual({ email: planted.email });
  });

  test('K-7 afterwards the planted identifier stands nowhere in clear, in any table', async () => {
    await grant('planted-subject-id', {
      evidence: { guardian: 'planted-guardian', age: 15, channel: 'web', method: 'ui', locale: 'fr' },
    });
    await grant('planted-device', {});
    await consent.post('/v1/subjects/planted-subject-id/links', { subjectId: 'planted-device' }, key());
    await erase('planted-subject-id');
    const text = await dump();
    expect(text).toContain('ledger_entry: ');
    for (const word of [
      planted.email,
      planted.phone,
      'planted-subject-id',
      'planted-device',
      'planted-guardian',
      'planted',
    ])
      expect(text).not.toContain(word);
  });

  test('K-5 what was sealed for a person cannot be opened with the service’s keys once their own is destroyed', async () => {
    const { body } = await grant('sealed', { evidence: { mandate: 'm-1', method: 'agent' } });
    const { rows } = await consent.pool.query<{ sealed: string; evidence: string }>(
      `SELECT s.identifiers_sealed AS sealed, e.entry::jsonb ->> 'sealedEvidence' AS evidence
         FROM subject s JOIN ledger_entry e USING (subject_key) WHERE subject_key = $1`,
      [body['subjectKey']],
    );
    expect(rows[0]?.evidence).toMatch(/^ey/);
    const ring = parseKeyRing(consent.config.identifierKeys);
    await expect(unseal(ring, rows[0]?.sealed ?? '')).rejects.toThrow();
    await expect(unseal(ring, rows[0]?.evidence ?? '')).rejects.toThrow();
    expect((await consent.get(`/v1/subjects/sealed/consents`)).status).toBe(200);
  });

  test('judged by state: repeated, unknown and bodiless calls are all answered', async () => {
    const first = await erase('nobody-known');
    expect(first).toMatchObject({ status: 200, body: { version: 1 } });
    const again = await erase('nobody-known');
    expect(again.body).toMatchObject({ changeId: first.body['changeId'], version: 1, alreadyDenied: true });
    const withdrawn = await consent.post('/v1/withdrawals', { subjectId: 'nobody-known' });
    expect(withdrawn.body).toMatchObject({ version: 1, alreadyDenied: true });
    expect(withdrawn.body['decisions']).toContainEqual({ purpose: 'analytics', decision: 'erased' });
  });

  test('every id of the person is erased, and their link forgotten', async () => {
    const person = await grant('linked-person');
    await consent.post('/v1/subjects/linked-person/links', { subjectId: 'linked-device' }, key());
    const { body } = await erase('linked-device');
    expect(body['linked']).toEqual([expect.objectContaining({ subjectKey: person.body['subjectKey'], version: 3 })]);
    expect(await rowOf(person.body['subjectKey'])).toMatchObject({ erased: true, vector: {}, secrets: 0 });
    const { rows } = await consent.pool.query(`SELECT 1 FROM subject_link WHERE subject_key = $1`, [
      person.body['subjectKey'],
    ]);
    expect(rows).toEqual([]);
    expect(await consent.post('/v1/subjects/other/links', { subjectId: 'linked-device' }, key())).toMatchObject({
      status: 409,
    });
  });
});

describe('K-6 nobody comes back quietly', () => {
  test('REC-7 neither an import of the same id nor one of the same e-mail under another id', async () => {
    await grant('gone');
    await erase('gone');
    for (const id of ['gone', 'gone-under-another-id']) {
      expect(await grant(id, imported)).toMatchObject({
        status: 409,
        body: { type: 'urn:entente:problem:standing-refusal' },
      });
    }
  });

  test('what is told with a refusal after an erasure is not kept', async () => {
    const { body } = await grant('collected');
    await erase('collected');
    await consent.post('/v1/consents', {
      ...{ subjectId: 'collected', identifiers: planted },
      decisions: [{ purpose: 'analytics', decision: 'denied' }],
    });
    expect(await rowOf(body['subjectKey'])).toMatchObject({ identifiers_sealed: null, secrets: 0 });
  });

  test('REC-8 a person who returns by a grant of their own continues the counter, with a new key', async () => {
    const { body } = await grant('returns');
    await erase('returns');
    const back = await consent.post(
      '/v1/consents',
      { ...grantAll('returns', planted), decisions: [{ purpose: 'analytics', decision: 'granted' }] },
      key(),
    );
    expect(back.body).toMatchObject({ subjectKey: body['subjectKey'], version: 3 });
    expect(await rowOf(body['subjectKey'])).toMatchObject({
      secrets: 1,
      vector: { analytics: { decision: 'granted' } },
    });
    // Only what they granted: an import of the rest is still refused.
    const more = { ...grantAll('returns'), decisions: [{ purpose: 'ad-targeting', decision: 'granted' }] };
    expect(await consent.post('/v1/consents', { ...more, ...imported }, key())).toMatchObject({ status: 409 });
    const withdrawn = await consent.post('/v1/withdrawals', { subjectId: 'returns' });
    expect(withdrawn.body).toMatchObject({ version: 4 });
  });

  test('an erasure and a grant of the same person at once leave no key of the person erased', async () => {
    const { body } = await grant('races');
    const before = await consent.pool.query(`SELECT wrapped FROM subject_secret WHERE subject_key = $1`, [
      body['subjectKey'],
    ]);
    const calls = Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? erase('races') : grant('races')));
    expect((await Promise.all(calls)).map(({ status }) => status).filter((status) => status !== 200)).toEqual([]);
    const after = await consent.pool.query(`SELECT wrapped FROM subject_secret WHERE subject_key = $1`, [
      body['subjectKey'],
    ]);
    expect(after.rows).not.toEqual(before.rows);
    const row = await rowOf(body['subjectKey']);
    expect(row['secrets']).toBe(Object.keys(row['vector'] as object).length > 0 ? 1 : 0);
  });
});

describe('REC-7 imports', () => {
  test.each(['denied', 'withdrawn', 'objected'])('REC-7 never change what stands %s into a grant', async (decision) => {
    const subjectId = `import-${decision}`;
    const refuse = { withdrawn: '/v1/withdrawals', objected: '/v1/objections' }[decision];
    const answer =
      refuse === undefined
        ? await consent.post('/v1/consents', { subjectId, decisions: [{ purpose: 'analytics', decision }] })
        : await consent.post(refuse, { subjectId, purposes: ['analytics'] });
    expect(answer.body['decisions']).toEqual([{ purpose: 'analytics', decision }]);
    const refused = await consent.post('/v1/consents', { ...grantAll(subjectId), ...imported }, key());
    expect(refused).toMatchObject({
      status: 409,
      body: { errors: [{ pointer: '/decisions/1/purpose' }] },
    });
    expect((await consent.post('/v1/consents', grantAll(subjectId), key())).status).toBe(200);
  });
});
