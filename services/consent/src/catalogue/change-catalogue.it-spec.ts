import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { schemaFault } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('catalogue'));
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(() => consent?.stop());

const [purpose] = sampleCatalogue.purposes;
const [recipient] = sampleCatalogue.recipients;
const { id: _purposeId, ...purposeBody } = purpose!;
const { id: _recipientId, ...recipientBody } = recipient!;

describe('REC-9 the catalogue', () => {
  test('one transaction, one number, one urgent record', async () => {
    const { rows } = await consent.pool.query(
      `SELECT aggregatetype, aggregateid, lane, shard, payload FROM outbox WHERE type LIKE '%catalogue%'`,
    );
    expect(rows).toMatchObject([
      {
        aggregatetype: 'consent.catalogue.v1',
        aggregateid: 'acme',
        lane: 0,
        shard: 0,
        payload: { number: 1, controller: 'acme' },
      },
    ]);
    expect(rows[0].payload.committedAt).toMatch(/^\d{4}-.*\.\d{6}Z$/);
  });

  test('the same again takes no number', async () => {
    expect((await consent.post('/v1/catalogue/changes', sampleCatalogue)).body).toEqual({ number: 1, changed: false });
  });

  test('a change that names nothing is told what is missing', async () => {
    for (const nothing of [{}, { purposes: [], notices: [] }]) {
      const { status, body } = await consent.post('/v1/catalogue/changes', nothing);
      expect({ status, body }).toMatchObject({
        status: 400,
        body: { errors: ['/purposes', '/notices', '/recipients'].map((pointer) => ({ pointer })) },
      });
    }
    expect((await consent.get('/v1/catalogue')).body).toMatchObject({ number: 1 });
  });

  test('one-item forms', async () => {
    expect((await consent.put('/v1/catalogue/purposes/newsletter', purposeBody)).body).toEqual({
      number: 2,
      changed: true,
    });
    const put = await consent.put('/v1/catalogue/recipients/mailer', { ...recipientBody, purposes: ['newsletter'] });
    expect(put.body).toEqual({ number: 3, changed: true });
    const notice = { ...sampleCatalogue.notices[0], version: 2, purposes: { newsletter: ['mailer'] } };
    expect((await consent.post('/v1/catalogue/notices', notice)).body).toEqual({ number: 4, changed: true });
    expect((await consent.post('/v1/catalogue/notices', { ...notice, purposes: {} })).status).toBe(409);
    const { body } = await consent.get('/v1/catalogue');
    expect(body).toMatchObject({ number: 4 });
    expect(JSON.stringify(body)).toContain('"audience":"crm"');
    expect((await consent.put('/v1/catalogue/purposes/Bad%20Name', purposeBody)).status).toBe(400);
  });

  test('numbers have no gaps under concurrency, over all controllers, and records stand in their order', async () => {
    const tokens = await Promise.all(
      ['acme', 'brand-a', 'brand-b'].map((controller) => consent.token(['admin'], controller)),
    );
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        consent.put(`/v1/catalogue/purposes/p-${index}`, purposeBody, { token: tokens[index % 3]! }),
      ),
    );
    const numbers = answers.map(({ body }) => Number(body['number'])).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 60 }, (_, index) => index + 5));
    const { rows } = await consent.pool.query(
      `SELECT array_agg((payload ->> 'number')::int ORDER BY id) AS numbers FROM outbox WHERE type LIKE '%catalogue%'`,
    );
    expect(rows[0].numbers).toEqual(Array.from({ length: 64 }, (_, index) => index + 1));
  });

  test('a change names the catalogue it was decided with, also while the catalogue moves', async () => {
    const moves = Array.from({ length: 20 }, (_, index) =>
      consent.put('/v1/catalogue/purposes/analytics', {
        ...purposeBody,
        dataCategories: [`c${index}`],
        active: index % 2 === 0,
      }),
    );
    const saves = Array.from({ length: 100 }, (_, index) =>
      consent.post('/v1/consents', grantAll(`during-${index}`), { headers: { 'idempotency-key': randomUUID() } }),
    );
    const answers = await Promise.all([...saves, ...moves]);
    expect(answers.map(({ status }) => status).filter((status) => status >= 500)).toEqual([]);
    const { rows } = await consent.pool.query(`
      WITH active AS (
        SELECT number, (change -> 'purposes' -> 0 ->> 'active')::boolean AS active FROM catalogue_change
         WHERE change -> 'purposes' -> 0 ->> 'id' = 'analytics')
      SELECT l.entry::jsonb ->> 'catalogue' AS number,
             (SELECT active FROM active a WHERE a.number <= (l.entry::jsonb ->> 'catalogue')::int ORDER BY number DESC LIMIT 1) AS active
        FROM ledger_entry l`);
    for (const { active } of rows) expect(active).not.toBe(false);
    expect(rows).toHaveLength(saves.length - answers.filter(({ status }) => status === 422).length);
  });
});

describe('what a catalogue may say beside', () => {
  const full = {
    purposes: [
      {
        ...{ ...purposeBody, id: 'bought-profiles', party: 'third', supplier: 'broker', replacedBy: 'newsletter' },
        ...{ minAge: 16, explicit: true, validityDays: 180, reaskAfterDays: 365 },
        mapping: {
          ...{ tcf: { purposes: [1, 3], specialFeatures: [1] }, gpp: ['SaleOptOut'], consentMode: ['ad_storage'] },
          ...{ fides: ['marketing.advertising.third_party.targeted'], att: true },
        },
      },
    ],
    recipients: [
      {
        ...recipientBody,
        id: 'broker',
        purposes: ['bought-profiles'],
        audience: 'crm',
        preloaded: true,
        tcfVendor: 100,
      },
    ],
    notices: [
      {
        ...{ ...sampleCatalogue.notices[0], id: 'bought', version: 1, purposes: { 'bought-profiles': ['broker'] } },
        ...{ locales: ['fr-FR', 'en'], material: true },
      },
    ],
  };

  test('is stored, told and published as it was said', async () => {
    expect((await consent.post('/v1/catalogue/changes', full)).body).toMatchObject({ changed: true });
    const { body } = await consent.get('/v1/catalogue');
    const { rows } = await consent.pool.query<{ payload: object }>(
      `SELECT payload FROM outbox WHERE type LIKE '%catalogue%' ORDER BY id DESC LIMIT 1`,
    );
    for (const held of [body, rows[0]?.payload as Record<string, unknown>])
      for (const list of ['purposes', 'recipients', 'notices'] as const)
        expect(held[list]).toContainEqual(expect.objectContaining(full[list][0] as object));
    expect(schemaFault('org.entente.catalogue.changed.v1', rows[0]?.payload)).toBeNull();
    expect((await consent.post('/v1/catalogue/changes', full)).body).toMatchObject({ changed: false });
  });

  test('REC-9 a withdrawal concerns the supplier, who gave us the data', async () => {
    const subject = await consent.post('/v1/withdrawals', { subjectId: 'bought', purposes: ['bought-profiles'] });
    const { rows } = await consent.pool.query<{ payload: object }>(
      `SELECT payload FROM outbox WHERE aggregateid = $1`,
      [subject.body['subjectKey']],
    );
    expect(rows[0]?.payload).toMatchObject({ recipients: ['broker'] });
  });

  test.each([
    [{ mapping: { tcf: { purposes: [25] } } }, '/mapping/tcf/purposes'],
    [{ mapping: { tcf: {} } }, '/mapping/tcf/purposes'],
    [{ mapping: { gpp: ['sale'] } }, '/mapping/gpp'],
    [{ mapping: { consentMode: ['ads'] } }, '/mapping/consentMode'],
    [{ mapping: { fides: ['Marketing'] } }, '/mapping/fides'],
    [{ mapping: { other: [] } }, '/mapping/other'],
    [{ minAge: 0 }, '/minAge'],
    [{ validityDays: 0.5 }, '/validityDays'],
    [{ supplier: 'No Name' }, '/supplier'],
    [{ explicit: 'yes' }, '/explicit'],
  ])('is checked: %j', async (more, pointer) => {
    const answer = await consent.put('/v1/catalogue/purposes/newsletter', { ...purposeBody, ...more });
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body['errors'])).toContain(`"${pointer}"`);
  });
});

describe('G-7 REC-9 versions of a notice', () => {
  const granting = (subjectId: string, version: number) =>
    consent.post(
      '/v1/consents',
      { subjectId, notice: { id: 'terms', version }, decisions: [{ purpose: 'newsletter', decision: 'granted' }] },
      { headers: { 'idempotency-key': randomUUID() } },
    );
  const isEffective = async (subjectId: string) => {
    const { body } = await consent.get(`/v1/subjects/${subjectId}/consents`);
    return (body['purposes'] as unknown as { effective: boolean }[]).map(({ effective }) => effective);
  };
  const publish = (version: number, more: object) =>
    consent.post('/v1/catalogue/notices', {
      ...{ ...sampleCatalogue.notices[0], id: 'terms', version, purposes: { newsletter: ['mailer'] } },
      ...more,
    });

  test('an immaterial one denies nobody; a material one denies who has not accepted it, until they do', async () => {
    expect((await publish(1, {})).status).toBe(200);
    expect((await granting('reader', 1)).status).toBe(200);
    expect((await publish(2, { material: false })).status).toBe(200);
    expect(await isEffective('reader')).toEqual([true]);
    expect((await publish(3, { material: true })).status).toBe(200);
    expect(await isEffective('reader')).toEqual([false]);
    expect((await granting('reader', 2)).body).toMatchObject({
      ...{ status: 422, errors: [{ pointer: '/notice', detail: expect.stringContaining('newer version') }] },
    });
    expect((await granting('reader', 3)).status).toBe(200);
    expect(await isEffective('reader')).toEqual([true]);
  });

  test('what names something new cannot be called immaterial', async () => {
    expect((await publish(4, { material: false, purposes: { newsletter: ['mailer', 'segment'] } })).body).toMatchObject(
      {
        ...{ status: 422, errors: [{ pointer: '/notices/0/material' }] },
      },
    );
  });
});
