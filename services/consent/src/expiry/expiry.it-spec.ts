import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { databaseOf, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;
let second: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('expiry'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  second = await startConsent(databaseOf(consent), { logLevel: 'silent' });
});
afterAll(async () => {
  await second?.stop();
  await consent?.stop();
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const soon = '2126-01-01T00:00:00.000Z';
const grantUntil = (subjectId: string, ends: Record<string, string | undefined>) => ({
  subjectId,
  notice: { id: 'privacy', version: 1 },
  decisions: Object.entries(ends).map(([purpose, validUntil]) => ({
    purpose,
    decision: 'granted',
    ...(validUntil === undefined ? {} : { validUntil }),
  })),
});

/** Time passes: the ends of these people's grants move into the past, in the row and in what was said. */
const letPass = (subjectKey: unknown): Promise<unknown> =>
  consent.pool.query(
    `UPDATE subject SET next_expiry = now() - interval '1 s', vector = replace(vector::text, '2035-', '2025-')::jsonb
      WHERE subject_key = $1`,
    [subjectKey],
  );

const end = '2035-01-01T00:00:00.000Z';

async function expiring(subjectId: string, ends: Record<string, string | undefined>): Promise<string> {
  const { status, body } = await consent.post('/v1/consents', grantUntil(subjectId, ends), key());
  expect(status).toBe(200);
  await letPass(body['subjectKey']);
  return String(body['subjectKey']);
}

const entriesOf = async (subjectKey: string) =>
  (
    await consent.pool.query<{ version: number; changes: object[]; direction: string; actor: object }>(
      `SELECT version, entry::jsonb -> 'changes' AS changes, entry::jsonb ->> 'direction' AS direction,
              entry::jsonb -> 'actor' AS actor
         FROM ledger_entry WHERE subject_key = $1 ORDER BY version`,
      [subjectKey],
    )
  ).rows;

describe('G-6 expiry', () => {
  test('G-6 a read compares with the clock: a late sweeper prolongs nothing', async () => {
    const subjectKey = await expiring('late', { 'email-marketing': end });
    const { body } = await consent.get('/v1/subjects/late/consents');
    expect(body).toMatchObject({ subjectKey, version: 1 });
    expect(body['purposes']).toEqual([
      expect.objectContaining({ purpose: 'email-marketing', decision: 'granted', effective: false }),
    ]);
    await consent.parts.sweeper.sweep();
  });

  test('one change for each subject and purpose, on both lanes, with cause expiry', async () => {
    const subjectKey = await expiring('both', { 'email-marketing': end, 'ad-targeting': end, analytics: undefined });
    expect(await consent.parts.sweeper.sweep()).toBe(1);
    const entries = await entriesOf(subjectKey);
    expect(entries[1]).toEqual({
      version: 2,
      direction: 'deny',
      actor: { client: 'entente', route: 'expiry' },
      changes: ['ad-targeting', 'email-marketing'].map((purpose) => ({
        ...{ purpose, from: 'granted', to: 'expired', cause: 'expiry' },
      })),
    });
    const { rows } = await consent.pool.query(
      `SELECT lane, payload -> 'recipients' AS recipients, payload -> 'sealed' AS sealed
         FROM outbox WHERE aggregateid = $1 AND (payload ->> 'version')::int = 2 ORDER BY lane`,
      [subjectKey],
    );
    expect(rows.map((row: { lane: number }) => row.lane)).toEqual([0, 1]);
    expect(rows[0]).toMatchObject({ recipients: ['hubspot-crm', 'meta-ads'] });
    const { body } = await consent.get('/v1/subjects/both/consents');
    expect(body['purposes']).toEqual([
      expect.objectContaining({ purpose: 'ad-targeting', decision: 'expired', effective: false }),
      expect.objectContaining({ purpose: 'analytics', decision: 'granted', effective: true }),
      expect.objectContaining({ purpose: 'email-marketing', decision: 'expired', effective: false }),
    ]);
  });

  test('idempotent: a second sweep and a second instance find nothing to do', async () => {
    const keys = await Promise.all(
      Array.from({ length: 20 }, (_, index) => expiring(`many-${index}`, { 'email-marketing': end })),
    );
    await Promise.all([consent, second, consent, second].map(({ parts }) => parts.sweeper.sweep()));
    expect(await consent.parts.sweeper.sweep()).toBe(0);
    for (const subjectKey of keys) expect(await entriesOf(subjectKey)).toHaveLength(2);
  });

  test('an identifier known before is still sealed for the recipients, and stays', async () => {
    const { body } = await consent.post(
      '/v1/consents',
      { ...grantUntil('told', { 'email-marketing': end }), identifiers: { email: 'told@example.com' } },
      key(),
    );
    await letPass(body['subjectKey']);
    await consent.parts.sweeper.sweep();
    const { rows } = await consent.pool.query(
      `SELECT s.identifiers_sealed IS NOT NULL AS kept, o.payload -> 'sealed' ? 'crm' AS sealed
         FROM subject s JOIN outbox_urgent o ON o.aggregateid = s.subject_key WHERE s.subject_key = $1`,
      [body['subjectKey']],
    );
    expect(rows).toEqual([{ kept: true, sealed: true }]);
  });

  test('a grant renewed in time is not ended', async () => {
    const { body } = await consent.post(
      '/v1/consents',
      grantUntil('renewed', { analytics: soon.replace('2126', '2030') }),
      key(),
    );
    await consent.post('/v1/consents', grantUntil('renewed', { analytics: soon.replace('2126', '2031') }), key());
    await consent.pool.query(`UPDATE subject SET next_expiry = now() WHERE subject_key = $1`, [body['subjectKey']]);
    await consent.parts.sweeper.sweep();
    expect(await entriesOf(String(body['subjectKey']))).toHaveLength(2);
    await consent.pool.query(`UPDATE subject SET next_expiry = NULL WHERE subject_key = $1`, [body['subjectKey']]);
  });

  test('REC-6 a crowded urgent lane takes no expiries', async () => {
    await expiring('crowded', { 'email-marketing': end });
    await consent.pool.query(
      `INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
       SELECT gen_random_uuid(), 'x', 'crowd', 'x', '{}', 0, 3 FROM generate_series(1, 501)`,
    );
    expect(await consent.parts.sweeper.sweep()).toBe(0);
    await consent.pool.query(`DELETE FROM outbox WHERE aggregateid = 'crowd'`);
    expect(await consent.parts.sweeper.sweep()).toBe(1);
  });
});
