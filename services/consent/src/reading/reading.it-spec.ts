import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('reading'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(async () => {
  await consent?.stop();
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const grant = (subjectId: string, more: object = {}) =>
  consent.post('/v1/consents', { ...grantAll(subjectId), ...more }, key());
const one = (subjectId: string, purpose: string, more: object = {}) =>
  grant(subjectId, { decisions: [{ purpose, decision: 'granted' }], ...more });
const withdraw = (subjectId: string, more: object = {}) => consent.post('/v1/withdrawals', { subjectId, ...more });
const errorsOf = ({ body }: Answer) => body['errors'] as unknown as { pointer: string; detail: string }[];
const evidenceOf = (answer: Answer) => consent.get(`/v1/evidence/${String(answer.body['changeId'])}`);
const purposesOf = ({ body }: Answer) =>
  (body['purposes'] as unknown as { purpose: string; decision: string; effective: boolean }[]).map(
    ({ purpose, decision, effective }) => [purpose, decision, effective],
  );

describe('G-5 as of any instant', () => {
  test('G-5 what was recorded by then, from the very instant of its answer', async () => {
    const granted = await one('anna', 'analytics');
    const withdrawn = await withdraw('anna', { purposes: ['analytics'] });
    const at = (answer: Answer) => consent.get(`/v1/subjects/anna/consents?at=${String(answer.body['committedAt'])}`);
    expect(purposesOf(await at(granted))).toEqual([['analytics', 'granted', true]]);
    expect(purposesOf(await at(withdrawn))).toEqual([['analytics', 'withdrawn', false]]);
    expect((await at(granted)).headers.get('etag')).toBe('"1"');
    const zone = String(granted.body['committedAt']).replace('Z', '%2B00:00');
    expect((await consent.get(`/v1/subjects/anna/consents?at=${zone}`)).status).toBe(200);
    expect((await consent.get('/v1/subjects/anna/consents?at=2020-01-01T00:00:00Z')).status).toBe(404);
  });

  test('G-5 history outlives an erasure, under the pseudonym alone', async () => {
    const granted = await one('erased', 'analytics');
    const erased = await consent.post('/v1/subjects/erased/erasure', undefined);
    const now = await consent.get('/v1/subjects/erased/consents');
    expect(now.body).toMatchObject({ purposes: [], erasedAt: expect.any(String) });
    const at = (answer: Answer) => consent.get(`/v1/subjects/erased/consents?at=${String(answer.body['committedAt'])}`);
    expect(purposesOf(await at(granted))).toEqual([['analytics', 'granted', true]]);
    expect((await at(erased)).body).toMatchObject({ purposes: [], erasedAt: erased.body['committedAt'] });
  });

  test.each([
    'yesterday',
    '2027-02-30T00:00:00Z',
    '2027-01-01T00:00:00',
    '-000001-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '2027-06-30T23:59:60Z',
  ])('an instant like %s is refused with its field', async (at) => {
    const answer = await consent.get(`/v1/subjects/anna/consents?at=${encodeURIComponent(at)}`);
    expect(answer.status).toBe(400);
    expect(errorsOf(answer)).toEqual([expect.objectContaining({ pointer: '/at' })]);
  });

  test.each(['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+23:59', '1969-12-31T23:59:59Z'])(
    'nothing was recorded at %s',
    async (at) => {
      expect((await consent.get(`/v1/subjects/anna/consents?at=${encodeURIComponent(at)}`)).status).toBe(404);
    },
  );
});

describe('H-3, G-12 current state', () => {
  test('H-3 If-None-Match answers 304 while nothing has changed', async () => {
    const { body } = await one('tagged', 'analytics');
    const headers = { 'if-none-match': `"${String(body['version'])}"` };
    expect((await consent.get('/v1/subjects/tagged/consents', { headers })).status).toBe(304);
    await withdraw('tagged');
    expect((await consent.get('/v1/subjects/tagged/consents', { headers })).status).toBe(200);
  });

  test('H-6 below /v1, and nothing of a person is for a cache to keep', async () => {
    const { body } = await one('uncached', 'analytics');
    for (const path of [
      ...['consents', 'history', 'export', 'signals', 'views/consent-mode', 'views/tcf', 'views/gpp'].map(
        (what) => `/v1/subjects/uncached/${what}`,
      ),
      `/v1/evidence/${String(body['changeId'])}`,
    ]) {
      const { status, headers } = await consent.get(path);
      expect([path, status, headers.get('cache-control')]).toEqual([path, 200, 'no-store']);
    }
  });

  test('G-6 a grant that has run out is told even to who holds its version', async () => {
    const end = '2035-01-01T00:00:00.000Z';
    const { body } = await grant('ran-out', {
      decisions: [{ purpose: 'analytics', decision: 'granted', validUntil: end }],
    });
    await consent.pool.query(
      `UPDATE subject SET vector = replace(vector::text, '2035-', '2025-')::jsonb WHERE subject_key = $1`,
      [body['subjectKey']],
    );
    const answer = await consent.get('/v1/subjects/ran-out/consents', { headers: { 'if-none-match': '"1"' } });
    expect(purposesOf(answer)).toEqual([['analytics', 'granted', false]]);
  });

  test('G-12 R-4 no purpose without a decision is ever returned, on or off', async () => {
    await one('partly', 'analytics');
    expect(purposesOf(await consent.get('/v1/subjects/partly/consents'))).toEqual([['analytics', 'granted', true]]);
  });

  test('G-4 a decision read immediately after its answer is the new state', async () => {
    for (let round = 0; round < 10; round += 1) {
      await one('at-once', 'analytics');
      expect(purposesOf(await consent.get('/v1/subjects/at-once/consents'))[0]?.[1]).toBe('granted');
      await withdraw('at-once', { purposes: ['analytics'] });
      expect(purposesOf(await consent.get('/v1/subjects/at-once/consents'))[0]?.[1]).toBe('withdrawn');
    }
  });
});

describe('G-11 what the ledger said and was erased', () => {
  test('as of then nothing is told but that it was erased; history goes on without it', async () => {
    const { body } = await one('blanked', 'analytics');
    const then = String(body['committedAt']);
    await withdraw('blanked');
    while ((await consent.parts.sequencer.numberPending()) > 0);
    await consent.pool.query(`SELECT erase_ledger_contents('acme', $1, 2)`, [body['subjectKey']]);
    const answer = await consent.get(`/v1/subjects/blanked/consents?at=${then}`);
    expect(answer).toMatchObject({ status: 200, body: { version: 1, purposes: [], erasedAt: expect.any(String) } });
    const history = await consent.get('/v1/subjects/blanked/history');
    expect(history.body['entries']).toMatchObject([{ version: 2 }]);
  });
});

describe('H-4 history', () => {
  test('H-4 keyset pages, newest first, each change with its cause; stable while more is recorded', async () => {
    for (let round = 0; round < 3; round += 1) {
      await one('long', 'analytics', { evidence: { method: 'ui', channel: 'web' } });
      await withdraw('long', { purposes: ['analytics'] });
    }
    await consent.post('/v1/subjects/long/erasure', undefined);
    const first = await consent.get('/v1/subjects/long/history?limit=3');
    await one('long', 'analytics');
    const second = await consent.get(`/v1/subjects/long/history?limit=4&cursor=${String(first.body['next'])}`);
    const entries = [first, second].flatMap(({ body }) => body['entries'] as unknown as { version: number }[]);
    expect(entries.map(({ version }) => version)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(entries[0]).toMatchObject({
      ...{ direction: 'deny', actor: { client: 'test-client', route: 'POST /v1/subjects/{id}/erasure' } },
      changes: expect.arrayContaining([{ purpose: 'analytics', from: 'withdrawn', to: 'erased', cause: 'erasure' }]),
    });
    expect(entries[6]).toMatchObject({
      ...{
        method: 'ui',
        channel: 'web',
        changes: [{ purpose: 'analytics', from: null, to: 'granted', cause: 'person' }],
      },
    });
    expect(first.headers.get('link')).toContain('rel="next"');
    expect(second.body).not.toHaveProperty('next');
    const headers = { 'if-none-match': '"8"' };
    expect((await consent.get('/v1/subjects/long/history', { headers })).status).toBe(304);
  });

  test.each([
    ['limit=0', '/limit'],
    ['limit=201', '/limit'],
    ['limit=many', '/limit'],
    ['cursor=', '/cursor'],
    ['cursor=Nw.forged', '/cursor'],
    ['offset=3', ''],
  ])('H-4 %s is refused with its field', async (query, pointer) => {
    await one('paged', 'analytics');
    const answer = await consent.get(`/v1/subjects/paged/history?${query}`);
    expect(answer.status).toBe(400);
    expect(errorsOf(answer)[0]?.pointer).toContain(pointer);
  });

  test('H-4 a cursor of another person is refused', async () => {
    await one('first', 'analytics');
    await withdraw('first');
    await one('second', 'analytics');
    const { body } = await consent.get('/v1/subjects/first/history?limit=1');
    const answer = await consent.get(`/v1/subjects/second/history?cursor=${String(body['next'])}`);
    expect(answer).toMatchObject({ status: 400, body: { type: 'urn:entente:problem:bad-cursor' } });
  });

  test('another controller sees nothing of it', async () => {
    const token = await consent.token(undefined, 'other-brand');
    const { body } = await one('tenant', 'analytics');
    expect((await consent.get('/v1/subjects/tenant/history', { token })).status).toBe(404);
    expect((await consent.get(`/v1/evidence/${String(body['changeId'])}`, { token })).status).toBe(404);
  });
});

describe('G-2 evidence', () => {
  const told = {
    ...{ locale: 'fr', purposesShown: ['analytics', 'ad-targeting'], method: 'ui', channel: 'web', variant: 'b-2' },
    ...{ clientTime: '2026-05-01T10:00:00+02:00', age: 34 },
  };

  test('G-2 re-renders exactly what was shown, whatever the catalogue says today', async () => {
    const answer = await one('shown', 'analytics', { evidence: told });
    const before = (await evidenceOf(answer)).body;
    expect(before).toMatchObject({
      ...{ subjectKey: answer.body['subjectKey'], version: 1, method: 'ui', channel: 'web', variant: 'b-2' },
      ...{ clientTime: '2026-05-01T08:00:00.000Z', personal: { age: 34 }, bases: { analytics: 'consent' } },
      actor: { client: 'test-client', route: 'POST /v1/consents' },
      shown: {
        ...{
          locale: 'fr',
          told: true,
          unaltered: true,
          notice: { id: 'privacy', version: 1, text: 'We ask you (fr)' },
        },
        purposes: [
          { id: 'ad-targeting', title: 'ad-targeting (fr)', recipients: [{ id: 'meta-ads', name: 'meta-ads' }] },
          { id: 'analytics', description: 'What analytics is (fr)', legalBasis: 'consent' },
        ],
      },
    });
    const [, analytics] = sampleCatalogue.purposes;
    await consent.post('/v1/catalogue/changes', {
      purposes: [{ ...analytics, title: { en: 'Renamed', fr: 'Renommé' } }],
      recipients: sampleCatalogue.recipients.map((recipient) => ({ ...recipient, name: 'Renamed' })),
    });
    expect((await evidenceOf(answer)).body).toEqual(before);
  });

  test('G-2 a catalogue record that was tampered with is found out', async () => {
    const answer = await one('tampered', 'analytics', { evidence: told });
    const swap = (from: string, to: string) =>
      consent.pool.query(`UPDATE catalogue_change SET change = replace(change::text, $1, $2)::jsonb`, [from, to]);
    await swap('We ask you (fr)', 'We ask you (xx)');
    expect((await evidenceOf(answer)).body).toMatchObject({ shown: { unaltered: false } });
    await swap('We ask you (xx)', 'We ask you (fr)');
  });

  test('G-11 after an erasure the personal part is gone, the proof stays', async () => {
    const answer = await one('forgets', 'analytics', { evidence: told });
    await consent.post('/v1/subjects/forgets/erasure', undefined);
    expect((await evidenceOf(answer)).body).toMatchObject({ personal: 'destroyed', shown: { unaltered: true } });
    await one('forgets', 'analytics');
    expect((await evidenceOf(answer)).body).toMatchObject({ personal: 'destroyed' });
  });

  test.each(['nonsense', 'chg_1', `chg_${'0'.repeat(36)}`])('an id like %s is refused', async (id) => {
    expect((await consent.get(`/v1/evidence/${id}`)).status).toBe(400);
  });

  test('an id that nothing was recorded under is unknown', async () => {
    expect((await consent.get(`/v1/evidence/chg_${randomUUID()}`)).status).toBe(404);
  });
});
