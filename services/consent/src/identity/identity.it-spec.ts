import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { createClient } from '@entente/postgres';
import { CONSENT_SCHEMA } from '../migrations/schema.ts';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('identity'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(async () => {
  await consent?.stop();
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const grant = (subjectId: string, ...purposes: string[]) =>
  consent.post(
    '/v1/consents',
    { ...grantAll(subjectId), decisions: purposes.map((purpose) => ({ purpose, decision: 'granted' })) },
    key(),
  );
const link = (person: string, device: string, call = key()) =>
  consent.post(`/v1/subjects/${person}/links`, { subjectId: device }, call);
const withdraw = (subjectId: string, ...purposes: string[]) =>
  consent.post('/v1/withdrawals', { subjectId, ...(purposes.length === 0 ? {} : { purposes }) });

async function decisionsOf(subjectId: string): Promise<Record<string, string>> {
  const { body } = await consent.get(`/v1/subjects/${subjectId}/consents`);
  const purposes = (body['purposes'] ?? []) as unknown as { purpose: string; decision: string }[];
  return Object.fromEntries(purposes.map(({ purpose, decision }) => [purpose, decision]));
}
const keyOf = ({ body }: Answer): string => String(body['subjectKey']);
const outboxOf = async (...subjectKeys: string[]) =>
  (
    await consent.pool.query<{ key: string; lane: number; version: number; cause: string; id: string }>(
      `SELECT aggregateid AS key, lane, (payload ->> 'version')::int AS version, id,
              payload -> 'changes' -> 0 ->> 'cause' AS cause
         FROM outbox WHERE aggregateid = ANY ($1) ORDER BY id`,
      [subjectKeys],
    )
  ).rows;

describe('REC-7 merge', () => {
  test('REC-7 the merged vector on both, each keeping key and counter; a refusal on either side wins', async () => {
    const device = await grant('device-1', 'email-marketing', 'analytics');
    await withdraw('person-1', 'analytics');
    const person = await withdraw('person-1', 'ad-targeting');
    const merged = await link('person-1', 'device-1');
    expect(merged.status).toBe(200);
    expect(merged.body).toMatchObject({ version: 3, linked: [{ subjectKey: keyOf(device), version: 2 }] });
    const expected = { 'ad-targeting': 'withdrawn', analytics: 'withdrawn', 'email-marketing': 'granted' };
    expect(await decisionsOf('person-1')).toEqual(expected);
    expect(await decisionsOf('device-1')).toEqual(expected);
    const rows = await outboxOf(keyOf(person), keyOf(device));
    expect(rows.filter(({ cause }) => cause === 'merge').map(({ key, lane }) => [key, lane])).toEqual(
      expect.arrayContaining([
        [keyOf(device), 0],
        [keyOf(device), 1],
        [keyOf(person), 1],
      ]),
    );
  });

  test('REC-7 until a new explicit grant, which lifts it for the id that was named', async () => {
    await grant('device-2', 'analytics');
    await withdraw('person-2', 'analytics');
    await link('person-2', 'device-2');
    await grant('person-2', 'analytics');
    expect(await decisionsOf('person-2')).toMatchObject({ analytics: 'granted' });
    expect(await decisionsOf('device-2')).toMatchObject({ analytics: 'withdrawn' });
    const again = await link('person-2', 'device-2');
    expect(again.status).toBe(200);
    expect(await decisionsOf('person-2')).toMatchObject({ analytics: 'granted' });
  });

  test('a repeated link answers the same; the key of another request is refused', async () => {
    const call = key();
    await grant('person-3', 'analytics');
    const first = await link('person-3', 'device-3', call);
    expect((await link('person-3', 'device-3', call)).body).toEqual(first.body);
    expect(await link('person-3', 'device-3b', call)).toMatchObject({ status: 422 });
    expect(await link('person-3', 'device-3c', { headers: {} } as ReturnType<typeof key>)).toMatchObject({
      status: 400,
    });
  });

  test('linking with oneself is refused with its field', async () => {
    expect(await link('person-4', 'person-4')).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/subjectId', detail: 'is the subject of the path' }] },
    });
  });

  test('a token that may only withdraw cannot link', async () => {
    const token = await consent.token(['consent:withdraw']);
    expect(await consent.post('/v1/subjects/a/links', { subjectId: 'b' }, { token, ...key() })).toMatchObject({
      status: 403,
    });
  });
});

describe('REC-4 linked subjects', () => {
  test('REC-4 a withdrawal under one id raises every linked one, in key order, in one transaction', async () => {
    const ids = ['person-5', 'device-5a', 'device-5b', 'device-5c'];
    const keys: string[] = [];
    for (const id of ids) keys.push(keyOf(await grant(id, 'email-marketing', 'ad-targeting')));
    for (const id of ids.slice(1)) await link('person-5', id);
    const { body } = await withdraw('device-5b', 'ad-targeting');
    const linked = body['linked'] as unknown as { subjectKey: string }[];
    expect(linked.map(({ subjectKey }) => subjectKey)).toEqual(keys.filter((one) => one !== keys[2]).sort());
    for (const id of ids)
      expect(await decisionsOf(id)).toEqual({ 'ad-targeting': 'withdrawn', 'email-marketing': 'granted' });
    const { rows } = await consent.pool.query(
      `SELECT count(DISTINCT committed_at)::int AS instants, count(*)::int AS entries,
              array_agg(subject_key ORDER BY id) AS keys
         FROM ledger_entry WHERE subject_key = ANY ($1) AND entry::jsonb ->> 'committedAt' = $2`,
      [keys, body['committedAt']],
    );
    expect(rows).toEqual([{ instants: 1, entries: 4, keys: keys.toSorted() }]);
  });

  test('REC-3 a withdrawal that stands under its own id still reaches a linked one granted since', async () => {
    await grant('person-6', 'analytics');
    await link('person-6', 'device-6');
    await withdraw('person-6', 'analytics');
    await grant('device-6', 'analytics');
    const { body } = await withdraw('person-6', 'analytics');
    expect(body).not.toHaveProperty('alreadyDenied');
    expect(await decisionsOf('device-6')).toEqual({ analytics: 'withdrawn' });
  });

  test('a link made while a withdrawal waits for its lock is honoured', async () => {
    const device = await grant('device-7', 'analytics');
    const person = await grant('person-7', 'analytics');
    const client = createClient({ url: consent.databaseUrl, schema: CONSENT_SCHEMA, name: 'linker' });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM subject WHERE subject_key = $1 FOR UPDATE', [keyOf(person)]);
      const withdrawn = withdraw('person-7');
      await client.query('SELECT pg_sleep(0.2)');
      await client.query(
        `INSERT INTO subject_link (controller, subject_key, circle) SELECT 'acme', k, $2 FROM unnest($1::text[]) AS k`,
        [[keyOf(person), keyOf(device)], randomUUID()],
      );
      await client.query('COMMIT');
      expect((await withdrawn).status).toBe(200);
    } finally {
      await client.end();
    }
    expect(await decisionsOf('device-7')).toMatchObject({ analytics: 'withdrawn' });
  });

  test('merges, splits and withdrawals of the same people at once end without a deadlock, all denied', async () => {
    const ids = Array.from({ length: 6 }, (_, index) => `crowd-${index}`);
    await Promise.all(ids.map((id) => grant(id, 'analytics', 'ad-targeting')));
    const calls = ids.flatMap((id, index) => [
      link(id, ids[(index + 1) % 6] ?? ''),
      link(ids[(index + 3) % 6] ?? '', id),
      consent.delete(`/v1/subjects/${id}/links/${ids[(index + 2) % 6] ?? ''}`),
      withdraw(id, 'analytics'),
    ]);
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(statuses.filter((status) => status >= 500)).toEqual([]);
    for (const id of ids) expect(await decisionsOf(id)).toMatchObject({ analytics: 'withdrawn' });
  });
});

describe('split', () => {
  test('nothing becomes more permissive: what was lent ends, what was taken away stays away', async () => {
    await grant('person-8', 'email-marketing');
    await grant('device-8', 'analytics');
    await withdraw('device-8', 'ad-targeting');
    await link('person-8', 'device-8');
    expect(await decisionsOf('person-8')).toEqual({
      ...{ analytics: 'granted', 'ad-targeting': 'withdrawn', 'email-marketing': 'granted' },
    });
    const parted = await consent.delete('/v1/subjects/person-8/links/device-8');
    expect(parted.status).toBe(200);
    expect(await decisionsOf('person-8')).toEqual({
      ...{ analytics: 'expired', 'ad-targeting': 'withdrawn', 'email-marketing': 'granted' },
    });
    expect(await decisionsOf('device-8')).toEqual({
      ...{ analytics: 'granted', 'ad-targeting': 'withdrawn', 'email-marketing': 'expired' },
    });
    await withdraw('person-8', 'email-marketing');
    await withdraw('person-8', 'analytics');
    expect(await decisionsOf('device-8')).toMatchObject({ analytics: 'granted' });
    expect(await consent.delete('/v1/subjects/person-8/links/device-8')).toMatchObject({ status: 404 });
  });
});
