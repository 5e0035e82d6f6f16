import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { startConsent } from '../testing/harness.ts';
import type { Answer, CallOptions, ConsentUnderTest } from '../testing/harness.ts';
import { gppVector, signalCatalogue, tcString, tcVector } from '../testing/signal-samples.ts';

let consent: ConsentUnderTest;
const notice = { id: 'privacy', version: 1 };
/** Days around now, as a TC string dates them. */
const day = (offset: number) => new Date(Date.now() + offset * 24 * 3_600_000).toISOString().slice(0, 10);
const yes = { purposes: [1, 2, 3, 4, 7, 8, 9, 10], legitimateInterests: [2], vendors: [100, 404], updated: day(0) };

const grant = (subjectId: string, ...purposes: string[]) =>
  consent.post(
    '/v1/consents',
    {
      ...{ subjectId, notice, evidence: { age: 30 } },
      decisions: purposes.map((purpose) => ({ purpose, decision: 'granted' })),
    },
    { headers: { 'idempotency-key': randomUUID() } },
  );
const withdraw = (subjectId: string) => consent.post('/v1/withdrawals', { subjectId });
const signal = (subjectId: string, kind: string, raw?: string, more: object = {}, call: CallOptions = {}) =>
  consent.post('/v1/signals', { subjectId, kind, ...(raw === undefined ? {} : { raw }), ...more }, call);
const standing = async (subjectId: string): Promise<Record<string, string>> => {
  const { body } = await consent.get(`/v1/subjects/${subjectId}/consents`);
  const purposes = (body['purposes'] ?? []) as { purpose: string; decision: string }[];
  return Object.fromEntries(purposes.map(({ purpose, decision }) => [purpose, decision]));
};
/** A list in an answer, as it came. */
const items = (list: unknown) => list as { readonly purpose: string; readonly pointer: string }[];
const result = ({ body }: Answer, purpose: string) => items(body['results']).find((one) => one.purpose === purpose);
const changesOf = async (subjectKey: unknown) => {
  const sql = `SELECT entry::jsonb AS entry FROM ledger_entry WHERE subject_key = $1 ORDER BY version`;
  return (await consent.pool.query<{ entry: Record<string, unknown> }>(sql, [subjectKey])).rows.map(
    ({ entry }) => entry,
  );
};
const keptSignals = async (subjectKey: unknown): Promise<number> => {
  const sql = 'SELECT count(*)::int AS kept FROM signal WHERE subject_key = $1';
  return (await consent.pool.query<{ kept: number }>(sql, [subjectKey])).rows[0]?.kept ?? 0;
};

beforeAll(async () => {
  consent = await startConsent(await testDatabase('signals'));
  expect((await consent.post('/v1/catalogue/changes', signalCatalogue)).status).toBe(200);
});
afterAll(() => consent?.stop());

describe('Global Privacy Control', () => {
  test('P-4 the header takes away what is sold, shared or targeted, with cause signal and its evidence', async () => {
    await grant('gpc-1', 'ads', 'measurement', 'mail');
    const answer = await signal('gpc-1', 'gpc', undefined, {}, { headers: { 'sec-gpc': '1' } });
    expect(answer.status).toBe(200);
    expect(await standing('gpc-1')).toEqual({
      ads: 'denied',
      legacy: 'denied',
      mail: 'granted',
      measurement: 'denied',
    });
    const [, entry] = await changesOf(answer.body['subjectKey']);
    expect(entry).toMatchObject({
      direction: 'deny',
      actor: { route: 'POST /v1/signals', signal: answer.body['signalId'] },
      changes: [
        { purpose: 'ads', from: 'granted', to: 'denied', cause: 'signal' },
        { purpose: 'legacy', from: null, cause: 'signal' },
        { purpose: 'measurement', from: 'granted', to: 'denied', cause: 'signal' },
      ],
    });
    const lanes = await consent.pool.query(`SELECT lane FROM outbox WHERE aggregateid = $1 ORDER BY id`, [
      answer.body['subjectKey'],
    ]);
    expect(lanes.rows.map(({ lane }) => Number(lane))).toEqual([1, 0, 1]);
  });

  test('P-1 any other value is ignored, and keeps nothing', async () => {
    await grant('gpc-2', 'ads');
    for (const headers of [{ 'sec-gpc': '0' }, { 'sec-gpc': 'true' }, {}] as Record<string, string>[])
      expect((await signal('gpc-2', 'gpc', undefined, {}, { headers })).body).toMatchObject({ results: [] });
    expect(await standing('gpc-2')).toEqual({ ads: 'granted' });
  });

  test('P-6 a repeated signal changes nothing and keeps nothing', async () => {
    const first = await signal('gpc-3', 'gpc', '1');
    const again = await signal('gpc-3', 'gpc', '1');
    expect(again.body).toMatchObject({ signalId: first.body['signalId'], change: first.body['change'] });
    expect(await keptSignals(first.body['subjectKey'])).toBe(1);
    expect(await changesOf(first.body['subjectKey'])).toHaveLength(1);
  });

  test('P-5 P-11 whether it is honoured is told, also after a later choice of the person', async () => {
    await signal('gpc-4', 'gpc', '1');
    const path = '/v1/subjects/gpc-4/signals';
    expect((await consent.get(path)).body).toMatchObject({
      gpcHonoured: { since: expect.any(String) },
      signals: [{ kind: 'gpc', source: 'default', denies: ['ads', 'legacy', 'measurement'] }],
    });
    await grant('gpc-4', 'ads');
    expect((await consent.get(path)).body).toMatchObject({ gpcHonoured: null });
    // P-11: the signal comes again, and the opt-out wins.
    await signal('gpc-4', 'gpc', '1');
    expect(await standing('gpc-4')).toMatchObject({ ads: 'denied' });
  });

  test('P-8 E-2 after an opt-out the person is told when they may be asked again', async () => {
    await signal('gpc-5', 'gpc', '1');
    const { body } = await consent.get('/v1/subjects/gpc-5/consents');
    expect(body['purposes']).toMatchObject([
      { purpose: 'ads', reaskNotBefore: expect.stringContaining(day(365)) },
      { purpose: 'legacy' },
      { purpose: 'measurement' },
    ]);
  });

  test('P-3 the well-known resource needs no token', async () => {
    const answer = await fetch(`${consent.url}/.well-known/gpc.json`);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await answer.json()).toEqual({ gpc: true, lastUpdate: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) });
  });
});

describe('TCF', () => {
  test('SIG-2 a person’s choice in a valid string grants, under the notice named', async () => {
    const answer = await signal('tcf-1', 'tcf', tcString(yes), { notice });
    expect(answer.status).toBe(200);
    expect(result(answer, 'ads')).toMatchObject({ says: 'allows', decision: 'granted' });
    expect(result(answer, 'profiling')).toMatchObject({ says: 'allows', heldBack: 'not-a-consent' });
    const { body } = await consent.get('/v1/subjects/tcf-1/consents');
    expect(body['purposes']).toMatchObject([
      { purpose: 'ads', decision: 'granted', notice: 'privacy@1', validUntil: expect.any(String), effective: true },
      { purpose: 'analytics', decision: 'granted' },
      { purpose: 'measurement', decision: 'granted' },
    ]);
  });

  test.each([
    ['withdrawn', (id: string) => withdraw(id)],
    ['denied by a signal', (id: string) => signal(id, 'gpc', '1')],
  ])('SIG-2 what stands %s is not granted by a string of the same day', async (what, refuse) => {
    const id = `tcf-standing-${what.length}`;
    await grant(id, 'ads', 'measurement', 'legacy', 'analytics');
    await refuse(id);
    const before = await standing(id);
    const answer = await signal(id, 'tcf', tcString(yes), { notice });
    expect(result(answer, 'ads')).toMatchObject({
      says: 'allows',
      heldBack: 'standing-refusal',
    });
    expect(await standing(id)).toEqual(before);
  });

  test('SIG-2 a string of an earlier day does not lift a refusal either', async () => {
    await withdraw('tcf-older');
    const answer = await signal('tcf-older', 'tcf', tcString({ ...yes, updated: day(-3) }), { notice });
    expect(result(answer, 'ads')).toMatchObject({ heldBack: 'standing-refusal' });
  });

  test('SIG-2 a string of a later day does not lift it either: the person has to say so here', async () => {
    const { body } = await withdraw('tcf-later');
    // The day on which it was refused, long before the string's.
    await consent.pool.query(
      `UPDATE subject SET vector = regexp_replace(vector::text, '"since": "[^"]*"', '"since": "2020-01-01T00:00:00Z"', 'g')::jsonb
        WHERE subject_key = $1`,
      [body['subjectKey']],
    );
    const answer = await signal('tcf-later', 'tcf', tcString(yes), { notice });
    expect(result(answer, 'ads')).toMatchObject({ heldBack: 'standing-refusal' });
    await grant('tcf-later', 'ads');
    expect(await standing('tcf-later')).toMatchObject({ ads: 'granted', analytics: 'withdrawn' });
  });

  test('SIG-2 a withdrawal that comes in between is not overtaken', async () => {
    const people = Array.from({ length: 20 }, (_, index) => `tcf-race-${index}`);
    await Promise.all(
      people.flatMap((id) => [
        signal(id, 'tcf', tcString(yes), { notice }),
        consent.post('/v1/withdrawals', { subjectId: id }),
      ]),
    );
    for (const id of people) expect(await standing(id)).toMatchObject({ ads: 'withdrawn', analytics: 'withdrawn' });
  });

  test('SIG-3 a vendor the string excludes loses what was granted', async () => {
    await grant('tcf-vendor', 'ads');
    const answer = await signal('tcf-vendor', 'tcf', tcString({ ...yes, vendors: [100] }));
    expect(result(answer, 'ads')).toMatchObject({ heldBack: 'granted-since', refuses: ['vendor-404'] });
    const { body } = await consent.get('/v1/subjects/tcf-vendor/consents');
    const ads = items(body['purposes']).find(({ purpose }) => purpose === 'ads');
    expect(ads).toMatchObject({ decision: 'granted', refusedRecipients: ['vendor-404'] });
    // Nothing is there to be taken away a second time, nor from somebody nothing is known of.
    expect((await signal('tcf-vendor', 'tcf', tcString({ ...yes, vendors: [100] }))).status).toBe(200);
    expect((await signal('tcf-nobody', 'tcf', tcString({ ...yes, vendors: [100] }))).status).toBe(200);
  });

  test('T-1 what an invalid string denies is recorded, what it permits is not', async () => {
    await grant('tcf-invalid', 'ads', 'analytics');
    const answer = await signal('tcf-invalid', 'tcf', tcString({ ...yes, purposes: [8, 9], disclosed: null }), {
      notice,
    });
    expect(answer.body).toMatchObject({ faults: [expect.stringContaining('disclosed vendors missing')] });
    expect(await standing('tcf-invalid')).toMatchObject({ ads: 'denied', analytics: 'granted' });
  });

  test('T-7 the string is kept sealed, and gone from logs and events', async () => {
    await signal('tcf-sealed', 'tcf', tcVector);
    const { rows } = await consent.pool.query(
      `SELECT (SELECT string_agg(s::text, '') FROM signal s) || (SELECT string_agg(entry, '') FROM ledger_entry) ||
              (SELECT string_agg(payload::text, '') FROM outbox) AS everything`,
    );
    expect(rows[0].everything).not.toContain(tcVector.slice(0, 20));
  });
});

describe('GPP and ATT', () => {
  test('Q-4 an opt-out denies, its absence grants nothing', async () => {
    await grant('gpp-1', 'ads', 'analytics');
    expect((await signal('gpp-1', 'gpp', gppVector)).status).toBe(200);
    expect(await standing('gpp-1')).toMatchObject({ ads: 'denied', analytics: 'granted' });
  });

  test('A-1 a device that denies, and one that permits: no consent, and a downgrade at any time', async () => {
    await grant('att-1', 'ads', 'mail');
    await signal('att-1', 'att', '3', { source: 'phone' });
    expect(await standing('att-1')).toEqual({ ads: 'granted', mail: 'granted' });
    await signal('att-1', 'att', '2', { source: 'phone' });
    expect(await standing('att-1')).toMatchObject({ ads: 'denied', mail: 'granted' });
    const upgraded = await signal('att-1', 'att', 'authorized', { source: 'phone' });
    expect(result(upgraded, 'ads')).toMatchObject({ says: 'nothing' });
    expect(await standing('att-1')).toMatchObject({ ads: 'denied' });
  });
});

describe('views', () => {
  test('X-6 follow the record, not the signal', async () => {
    await signal('view-1', 'tcf', tcString(yes), { notice });
    await grant('view-1', 'health', 'games', 'profiling');
    const tcf = '/v1/subjects/view-1/views/tcf';
    expect((await consent.get(tcf)).body).toMatchObject({
      ...{ version: expect.any(Number), tcString: { string: tcString(yes), source: 'default' } },
      purposes: { '1': true, '5': false, '8': true },
    });
    const mode = '/v1/subjects/view-1/views/consent-mode';
    expect((await consent.get(mode)).body).toMatchObject({
      consentMode: { ad_storage: 'granted', ad_user_data: 'denied' },
    });
    await consent.post('/v1/withdrawals', { subjectId: 'view-1', purposes: ['ads'] });
    expect((await consent.get(tcf)).body).toMatchObject({
      tcString: { string: null, withheld: 'permits-more-than-recorded' },
    });
    expect((await consent.get(mode)).body).toMatchObject({ consentMode: { ad_storage: 'denied' } });
  });

  test('X-1 of somebody unknown deny everything', async () => {
    expect((await consent.get('/v1/subjects/nobody/views/gpp')).body).toMatchObject({
      ...{ version: 0, gppString: { string: null, withheld: 'none-received' }, optOuts: { SaleOptOut: true } },
    });
    const { body } = await consent.get('/v1/subjects/nobody/views/consent-mode');
    expect(new Set(Object.values((body as unknown as { consentMode: object }).consentMode))).toEqual(
      new Set(['denied']),
    );
  });
});

describe('SIG-5 what cannot be used gets a precise problem and changes nothing', () => {
  test.each([
    ['tcf', 'CQ', 'signal-unreadable', 'cannot be decoded'],
    ['tcf', gppVector, 'signal-unreadable', 'send it as kind gpp'],
    ['tcf', tcString({ ...yes, disclosed: null }), 'signal-invalid', 'disclosed vendors missing'],
    ['gpp', 'DBABLA~CA', 'signal-unreadable', 'section 7'],
    ['gpp', '', 'signal-unreadable', 'is empty'],
    ['att', 'maybe', 'signal-unreadable', 'not an ATT status'],
  ])('%s %p', async (kind, raw, code, detail) => {
    const id = `bad-${kind}-${raw.length}`;
    await grant(id, 'ads');
    const answer = await signal(id, kind, raw, { notice });
    expect([answer.status, answer.body['type']]).toEqual([422, `urn:entente:problem:${code}`]);
    expect(answer.body['errors']).toEqual([{ pointer: '/raw', detail: expect.stringContaining(detail) }]);
    expect(await standing(id)).toEqual({ ads: 'granted' });
    const { body } = await consent.get(`/v1/subjects/${id}/signals`);
    expect(body['signals']).toEqual([]);
  });

  test.each([
    [{ kind: 'cookie', raw: '1' }, '/kind'],
    [{ kind: 'tcf' }, '/raw'],
    [{ kind: 'gpc', raw: 1 }, '/raw'],
    [{ kind: 'gpc', raw: '1', source: 'a b' }, '/source'],
    [{ kind: 'gpc', raw: '1', notice: { id: 'privacy' } }, '/notice/version'],
  ])('a body that is none: %j', async (body, pointer) => {
    const answer = await consent.post('/v1/signals', { subjectId: 'shape', ...body });
    expect(answer.status).toBe(400);
    expect(items(answer.body['errors']).map(({ pointer }) => pointer)).toContain(pointer);
  });

  test('SIG-1 a signal that cannot be kept denies all the same', async () => {
    await grant('unkept', 'ads');
    await consent.pool.query('ALTER TABLE signal RENAME TO signal_elsewhere');
    try {
      expect((await signal('unkept', 'gpc', '1')).status).toBe(500);
      expect(await standing('unkept')).toMatchObject({ ads: 'denied' });
      expect((await signal('unkept-2', 'tcf', tcString(yes), { notice })).status).toBe(500);
      expect((await consent.get('/v1/subjects/unkept-2/consents')).status).toBe(404);
    } finally {
      await consent.pool.query('ALTER TABLE signal_elsewhere RENAME TO signal');
    }
    expect((await signal('unkept', 'gpc', '1')).body).toMatchObject({ signalId: expect.stringMatching(/^sig_/) });
  });

  test('scopes go by direction: who may only withdraw grants nothing, who may only read takes nothing in', async () => {
    const withdrawing = { token: await consent.token(['consent:withdraw']) };
    const answer = await signal('scoped', 'tcf', tcString({ ...yes, purposes: [8, 9] }), { notice }, withdrawing);
    expect(result(answer, 'analytics')).toMatchObject({ heldBack: 'insufficient-scope' });
    expect(result(answer, 'ads')).toMatchObject({ decision: 'denied' });
    const reading = { token: await consent.token(['consent:read']) };
    expect((await signal('scoped', 'gpc', '1', {}, reading)).status).toBe(403);
  });
});
