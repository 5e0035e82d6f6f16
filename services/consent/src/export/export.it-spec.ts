import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { recordSchema } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

const key = (name: string) => ({ headers: { 'idempotency-key': name } });

beforeAll(async () => {
  consent = await startConsent(await testDatabase('export'));
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  await consent.post('/v1/consents', grantAll('anna', { email: 'anna@example.org' }), key('anna'));
  await consent.post('/v1/withdrawals', { subjectId: 'anna', purposes: ['analytics'] });
  const [decision] = grantAll('bea').decisions;
  const limited = { ...decision, validUntil: '2028-01-01T00:00:00Z', refusedRecipients: ['hubspot-crm'] };
  await consent.post('/v1/consents', { ...grantAll('bea'), decisions: [limited] }, key('bea'));
  await consent.post('/v1/objections', { subjectId: 'bea', purposes: ['analytics'] });
  await consent.post('/v1/consents', grantAll('cleo'), key('cleo'));
  await consent.post('/v1/subjects/cleo/erasure', undefined);
  // Her other device: what she granted there is lent here.
  await consent.post('/v1/withdrawals', { subjectId: 'device', purposes: ['analytics'] });
  await consent.post('/v1/subjects/bea/links', { subjectId: 'device' }, key('link'));
});
afterAll(() => consent?.stop());

interface Line {
  readonly subjectId?: string;
  readonly subjectKey: string;
  readonly decisions: readonly { readonly purpose: string; readonly decision: string }[];
}

async function exported(query = ''): Promise<{ text: string; lines: Line[] }> {
  const response = await fetch(`${consent.url}/v1/exports/consents${query}`, {
    headers: { authorization: `Bearer ${await consent.token(['admin'])}` },
  });
  const text = await response.text();
  expect(response.status).toBe(200);
  return {
    text,
    lines: text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line),
  };
}

async function state(): Promise<unknown> {
  const { rows } = await consent.pool.query<object>(
    `SELECT (SELECT jsonb_agg(s ORDER BY subject_key) FROM subject s) AS subjects, (SELECT count(*) FROM ledger_entry) AS entries`,
  );
  return rows;
}

test('everybody stands in it once, in the order of their keys, with identifiers only where they are asked for', async () => {
  const { text, lines } = await exported();
  expect(lines.map(({ subjectId }) => subjectId).sort()).toEqual(['anna', 'bea', 'device', undefined]);
  const keys = lines.map(({ subjectKey }) => subjectKey);
  expect(keys).toEqual([...keys].sort());
  expect(text).not.toContain('example.org');
  expect((await exported('?identifiers=true')).text).toContain('"identifiers":{"email":"anna@example.org"}');
  expect(lines.find(({ subjectId }) => subjectId === undefined)).toMatchObject({
    decisions: [],
    erasedAt: expect.any(String),
  });
  expect(lines.find(({ subjectId }) => subjectId === 'bea')?.decisions).toMatchObject([
    { purpose: 'analytics', decision: 'objected' },
    { purpose: 'email-marketing', decision: 'granted', notice: 'privacy@1', refusedRecipients: ['hubspot-crm'] },
  ]);
});

test('it can be taken in pages, and gone on with after any line', async () => {
  const { lines } = await exported();
  const paged: Line[] = [];
  for (let page = (await exported('?limit=3')).lines; page.length > 0;) {
    paged.push(...page);
    page = (await exported(`?limit=3&after=${String(paged.at(-1)?.subjectKey)}`)).lines;
  }
  expect(paged).toEqual(lines);
});

test('fed to import again it changes nothing, dry or not', async () => {
  const before = await state();
  const { text } = await exported('?identifiers=true');
  for (const dryRun of ['true', 'false']) {
    const { body } = await consent.post(`/v1/imports?dryRun=${dryRun}`, text, {
      headers: { 'content-type': 'application/x-ndjson' },
    });
    expect(body).toMatchObject({ state: 'done', recorded: 0, rejected: 0, partly: 0, unchanged: 3 });
  }
  expect(await state()).toEqual(before);
});

test('R-1 one person’s record is shaped as ISO/IEC TS 27560, each purpose with all that happened to it', async () => {
  const { status, body } = await consent.get('/v1/subjects/anna/export');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    schema_version: 'https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr',
    pii_principal_id: expect.stringMatching(/^k1\./),
    processing: [
      { purpose: 'ad-targeting', event: [{ event_state: 'dpv:ConsentGiven' }], recipient_third_parties: ['meta-ads'] },
      {
        purpose: 'analytics',
        event: [{ event_state: 'dpv:ConsentGiven' }, { event_state: 'dpv:ConsentWithdrawn' }],
        // As it was last put to them, though a withdrawal shows nothing.
        privacy_notice: expect.stringMatching(/^privacy@1 sha-256:/),
      },
      {
        purpose: 'email-marketing',
        lawful_basis: 'consent',
        privacy_notice: expect.stringMatching(/^privacy@1 sha-256:/),
      },
    ],
  });
  expect(body).not.toHaveProperty('receipt_id');
  expect(await consent.get('/v1/subjects/nobody/export')).toMatchObject({ status: 404 });
});

test('R-1 a record validates against its committed JSON Schema, whatever happened to the person', async () => {
  const ajv = new Ajv2020({ strict: true, strictTuples: false, strictRequired: false });
  addFormats.default(ajv, ['date-time']);
  const fits = ajv.compile(recordSchema);
  for (const person of ['anna', 'bea', 'cleo', 'device']) {
    const { body } = await consent.get(`/v1/subjects/${person}/export`);
    expect({ person, fits: fits(body), faults: fits.errors }).toEqual({ person, fits: true, faults: null });
  }
  const { body } = await consent.get('/v1/subjects/anna/export');
  const processing = body['processing'] as unknown as object[];
  expect(fits({ ...body, processing: [{ ...processing[0], jurisdiction: undefined }] })).toBe(false);
  expect(fits({ ...body, pii_principal_id: 'anna' })).toBe(false);
});

test.each(['?after=anna', '?limit=0', '?limit=x', '?identifiers=yes'])(
  '%s is refused with its place',
  async (query) => {
    expect(await consent.get(`/v1/exports/consents${query}`)).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: `/${query.slice(1).split('=')[0] ?? ''}` }] },
    });
  },
);

test('everybody’s needs the scope admin', async () => {
  const token = await consent.token(['consent:read', 'consent:import']);
  expect(await consent.get('/v1/exports/consents', { token })).toMatchObject({ status: 403 });
});
