import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase, waitFor } from '@entente/test-support';
import { createClient } from '@entente/postgres';
import type { Client } from '@entente/postgres';
import { CONSENT_SCHEMA } from '../migrations/schema.ts';
import { databaseOf, grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;
let client: Client;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('recording'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  client = createClient({ url: consent.databaseUrl, schema: CONSENT_SCHEMA, name: 'blocker' });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await consent?.stop();
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const purposes = ['email-marketing', 'analytics', 'ad-targeting'];

/** Grants some, denies the others. */
const mixedSave = (subjectId: string, bits: number) => ({
  subjectId,
  notice: { id: 'privacy', version: 1 },
  decisions: purposes.map((purpose, index) => ({ purpose, decision: (bits >> index) & 1 ? 'granted' : 'denied' })),
});

describe('REC-1, REC-2 under concurrency', () => {
  test('400 parallel saves and withdrawals on 5 people: versions dense, rows in order, state is the last', async () => {
    const requests = Array.from({ length: 400 }, (_, index) => {
      const subjectId = `busy-${index % 5}`;
      if (index % 7 === 0) return consent.post('/v1/withdrawals', { subjectId });
      return consent.post('/v1/consents', mixedSave(subjectId, (index * 5) % 8), key());
    });
    const answers = await Promise.all(requests);
    expect(answers.map(({ status }) => status).filter((status) => status !== 200)).toEqual([]);
    const { rows } = await consent.pool.query(`
      SELECT s.subject_key, s.version, s.vector,
             (SELECT jsonb_agg(l.version ORDER BY l.id) FROM ledger_entry l WHERE l.subject_key = s.subject_key) AS ledger,
             (SELECT jsonb_agg((o.payload ->> 'version')::int ORDER BY o.id) FROM outbox_normal o WHERE o.aggregateid = s.subject_key) AS normal,
             (SELECT jsonb_agg((o.payload ->> 'version')::int ORDER BY o.id) FROM outbox_urgent o WHERE o.aggregateid = s.subject_key) AS urgent,
             (SELECT o.payload -> 'vector' FROM outbox_normal o WHERE o.aggregateid = s.subject_key ORDER BY o.id DESC LIMIT 1) AS last
        FROM subject s`);
    expect(rows).toHaveLength(5);
    for (const { version, vector, ledger, normal, urgent, last } of rows) {
      const dense = Array.from({ length: version }, (_, index) => index + 1);
      expect(ledger).toEqual(dense);
      expect(normal).toEqual(dense);
      expect(urgent).toEqual((urgent as number[]).toSorted((a, b) => a - b));
      expect(last).toEqual(vector);
    }
    const recorded = new Set(answers.map(({ body }) => `${String(body['subjectKey'])} ${String(body['version'])}`));
    const versions = rows.reduce((sum: number, { version }) => sum + Number(version), 0);
    expect(recorded.size).toBe(versions);
  });

  test('t1 is the same in ledger, event and answer', async () => {
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'times' });
    const { rows } = await consent.pool.query(
      `SELECT l.entry::jsonb ->> 'committedAt' AS entry, o.payload ->> 'committedAt' AS event
         FROM ledger_entry l JOIN outbox_urgent o ON o.event_id = l.change_id WHERE l.subject_key = $1`,
      [body['subjectKey']],
    );
    expect(rows).toEqual([{ entry: body['committedAt'], event: body['committedAt'] }]);
  });
});

describe('design.md §2 item 5: deny is never blocked', () => {
  test('REC-2 a withdrawal that meets a lock waits inside, others go on meanwhile', async () => {
    const { body } = await consent.post('/v1/consents', grantAll('locked'), key());
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM subject WHERE subject_key = $1 FOR UPDATE', [body['subjectKey']]);
    let answered = false;
    const blocked = consent.post('/v1/withdrawals', { subjectId: 'locked' }).finally(() => (answered = true));
    const others = await Promise.all(
      Array.from({ length: 40 }, (_, index) => consent.post('/v1/withdrawals', { subjectId: `free-${index}` })),
    );
    expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
    const waited = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'consent-deny-%' AND wait_event_type = 'Lock'`;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(answered).toBe(false);
    await waitFor(async () => (await consent.pool.query(waited)).rows[0].n === 1, {
      what: 'the withdrawal tries again',
    });
    await client.query('COMMIT');
    expect(await blocked).toMatchObject({ status: 200, body: { version: 2 } });
  });

  test('grants that wait for a lock leave the denying connections free', async () => {
    const { body } = await consent.post('/v1/consents', grantAll('grant-lock'), key());
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM subject WHERE subject_key = $1 FOR UPDATE', [body['subjectKey']]);
    const grants = Array.from({ length: 10 }, () =>
      consent.post('/v1/consents', { ...grantAll('grant-lock'), identifiers: { email: 'g@example.com' } }, key()),
    );
    const startedAt = performance.now();
    expect((await consent.post('/v1/withdrawals', { subjectId: 'unrelated' })).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await client.query('COMMIT');
    expect((await Promise.all(grants)).map(({ status }) => status)).toEqual(grants.map(() => 200));
  });

  test('connections that are ended by the server are replaced, nothing answered is lost', async () => {
    const answers: Promise<{ status: number; body: Record<string, unknown> }>[] = [];
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 20; index += 1)
        answers.push(consent.post('/v1/withdrawals', { subjectId: `cut-${round}-${index}` }));
      await consent.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'consent-deny-%' AND datname = current_database()`,
      );
    }
    const all = await Promise.all(answers);
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
    const { rows } = await consent.pool.query(
      'SELECT subject_key FROM subject WHERE subject_key = ANY ($1) AND version = 1',
      [all.map(({ body }) => body['subjectKey'])],
    );
    expect(rows).toHaveLength(100);
  });
});

describe('RST-1', () => {
  test('a database of another identity raises the incarnation before the first write', async () => {
    const before = await consent.post('/v1/withdrawals', { subjectId: 'restored' });
    expect(before.body).toMatchObject({ version: 1 });
    await consent.pool.query(`UPDATE incarnation SET timeline = timeline + 1`);
    const other = await startConsent(databaseOf(consent), {
      env: {
        SUBJECT_HASH_KEYS: consent.config.subjectHashKeys,
        IDENTIFIER_KEYS: consent.config.identifierKeys,
        AUDIENCE_KEYS: JSON.stringify(consent.config.audienceKeys),
      },
    });
    try {
      const { body } = await other.post('/v1/consents', grantAll('restored'), key());
      expect(body).toMatchObject({ version: 2 ** 40 });
      expect((await other.post('/v1/withdrawals', { subjectId: 'restored' })).body).toMatchObject({
        version: 2 ** 40 + 1,
      });
    } finally {
      await other.stop();
    }
  });
});
