import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  cloudEventHeaders,
  encodeEvent,
  newReceiptKey,
  outcomeWords,
  parseReceiptKeys,
  signReceipt,
  topics,
  verifyReceipt,
} from '@entente/contracts';
import type { EnforcementRecorded, Outcome, ReceiptJwks, ReceiptPayload } from '@entente/contracts';
import { createKafka, partitionOf } from '@entente/kafka';
import { createLogger } from '@entente/observability';
import { kafkaBootstrap, testDatabase, waitFor } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';
import { keepOutcomes } from './outcomes.ts';
import { OutcomeWatch } from './outcome-watch.ts';

const privateKey = newReceiptKey();
const log = createLogger({ service: 'test', level: 'silent' });

let consent: ConsentUnderTest;
let jwks: ReceiptJwks;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('receipts'), {
    env: {
      RECEIPT_KEYS: JSON.stringify({ keys: [privateKey] }),
      RECEIPT_ISSUER: 'https://consent.example',
      RECEIPT_PROFILES: JSON.stringify({ acme: { name: 'Acme SA', jurisdiction: 'FR' } }),
    },
  });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  jwks = (await (await fetch(`${consent.url}/.well-known/jwks.json`)).json()) as ReceiptJwks;
});
afterAll(() => consent?.stop());

async function receiptOf(changeId: unknown): Promise<ReceiptPayload> {
  while ((await consent.parts.sequencer.numberPending()) > 0);
  const { status, body } = await consent.get(`/v1/receipts/${String(changeId)}`);
  expect(status).toBe(200);
  const verdict = await verifyReceipt(String(body['receipt']), jwks);
  if (!verdict.valid) throw new Error(`${verdict.fault}: ${verdict.detail}`);
  return verdict.payload;
}

const grant = (person: string) =>
  consent.post('/v1/consents', grantAll(person, { email: 'anna@example.com' }), {
    headers: { 'idempotency-key': person },
  });

const heard = (subjectKey: string, version: number, recipient: string, outcome: Outcome, second = 1) =>
  ({
    ...{ controller: 'acme', subjectKey, recipient, version, direction: 'deny', outcome, attempts: 1, clockErrorMs: 1 },
    at: `2027-01-01T00:00:0${second}.000000Z`,
  }) as EnforcementRecorded;

describe('R-2 a receipt for every change', () => {
  test('of a grant: what was shown, who may receive, and the place in the ledger', async () => {
    const { body } = await grant('receipt-grant');
    const { receipt, ledger, sub, version, iss, termination } = await receiptOf(body['changeId']);
    expect({ iss, sub, version }).toEqual({
      iss: 'https://consent.example',
      sub: body['subjectKey'],
      version: body['version'],
    });
    expect(termination).toBeUndefined();
    expect(receipt.processing.map(({ purpose }) => purpose).sort()).toEqual([
      'ad-targeting',
      'analytics',
      'email-marketing',
    ]);
    const email = receipt.processing.find(({ purpose }) => purpose === 'email-marketing');
    expect(email).toMatchObject({
      lawful_basis: 'consent',
      recipient_third_parties: ['hubspot-crm'],
      language: ['en', 'fr'],
      jurisdiction: 'FR',
      storage_locations: ['not stated'],
      event: [{ event_state: 'dpv:ConsentGiven', event_time: body['committedAt'] }],
    });
    expect(email?.privacy_notice).toMatch(/^privacy@1 sha-256:[0-9a-f]{64}$/);
    expect(receipt.party_identification[0]).toMatchObject({ party_id: 'acme', party_name: 'Acme SA' });
    expect(ledger.number).toBeGreaterThan(0);
    expect(JSON.stringify(receipt)).not.toContain('anna@example.com');
    expect(JSON.stringify(receipt)).not.toContain('receipt-grant');
  });

  test('X-5 L-6 nothing but pseudonyms stands in it or in the ledger', async () => {
    const { rows } = await consent.pool.query<{ entry: string }>('SELECT entry FROM ledger_entry');
    expect(rows.length).toBeGreaterThan(0);
    for (const { entry } of rows)
      for (const canary of ['anna@example.com', 'receipt-grant']) expect(entry).not.toContain(canary);
  });

  test('of a withdrawal: each recipient’s dated outcome, as it comes in', async () => {
    await grant('receipt-withdrawal');
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'receipt-withdrawal' });
    const [key, version] = [String(body['subjectKey']), Number(body['version'])];
    const first = await receiptOf(body['changeId']);
    expect(first.termination).toEqual({
      complete: false,
      recipients: ['hubspot-crm', 'meta-ads', 'segment'].map((recipient) => ({
        ...{ recipient, outcome: 'waiting', in_words: outcomeWords.waiting },
      })),
    });
    expect(first.receipt.processing[0]?.event[0]?.event_state).toBe('dpv:ConsentWithdrawn');
    await keepOutcomes(consent.parts.pool, [
      heard(key, version, 'hubspot-crm', 'waiting', 1),
      heard(key, version, 'hubspot-crm', 'accepted', 2),
      heard(key, version, 'meta-ads', 'parked', 1),
    ]);
    await keepOutcomes(consent.parts.pool, [
      heard(key, version, 'hubspot-crm', 'confirmed', 4),
      heard(key, version, 'segment', 'never-shared', 3),
      // A record that came late changes nothing any more.
      heard(key, version, 'segment', 'waiting', 2),
    ]);
    const second = await receiptOf(body['changeId']);
    expect(second.termination).toEqual({
      complete: false,
      recipients: [
        {
          recipient: 'hubspot-crm',
          outcome: 'confirmed',
          at: '2027-01-01T00:00:04.000000Z',
          accepted_at: '2027-01-01T00:00:02.000000Z',
        },
        { recipient: 'meta-ads', outcome: 'parked', at: '2027-01-01T00:00:01.000000Z' },
        { recipient: 'segment', outcome: 'never-shared', at: '2027-01-01T00:00:03.000000Z' },
      ].map((one) => ({ ...one, in_words: outcomeWords[one.outcome as Outcome] })),
    });
    // What is settled stays settled, also when an older process says otherwise.
    await keepOutcomes(consent.parts.pool, [
      heard(key, version, 'segment', 'waiting', 9),
      heard(key, version, 'meta-ads', 'accepted', 8),
    ]);
    expect((await receiptOf(body['changeId'])).termination).toMatchObject({ complete: true });
    expect(second.ledger).toEqual(first.ledger);
  });

  test('names and recipients are those of the moment of the change', async () => {
    const { body } = await grant('receipt-then');
    const before = await receiptOf(body['changeId']);
    const renamed = { ...sampleCatalogue.recipients[0]!, name: 'HubSpot renamed' };
    expect((await consent.post('/v1/catalogue/changes', { recipients: [renamed] })).status).toBe(200);
    expect((await receiptOf(body['changeId'])).receipt).toEqual(before.receipt);
  });
});

describe('outcomes from the topic', () => {
  test('reach the receipt, once however often they are read; a record that cannot be read stops nothing', async () => {
    const kafka = createKafka({ clientId: 'receipts-test', brokers: kafkaBootstrap(), log });
    const admin = kafka.admin();
    await admin.ensureTopics([
      {
        name: topics.enforcements,
        partitions: 12,
        replicationFactor: 1,
        config: { 'message.timestamp.type': 'LogAppendTime' },
      },
    ]);
    await admin.close();
    const { body } = await consent.post('/v1/withdrawals', {
      subjectId: 'from-the-topic',
      purposes: ['email-marketing'],
    });
    const key = String(body['subjectKey']);
    const type = 'org.entente.enforcement.recorded.v1';
    const event = heard(key, Number(body['version']), 'hubspot-crm', 'accepted', 5);
    const headers = cloudEventHeaders({
      type,
      id: randomUUID(),
      source: 'urn:entente:test',
      subject: key,
      time: event.at,
    });
    const at = { topic: topics.enforcements, partition: partitionOf(key), key: Buffer.from(key) };
    const publisher = kafka.publisher();
    const published = await publisher.publish([
      { ...at, headers, value: Buffer.from('{') },
      { ...at, headers, value: encodeEvent(type, event) },
      { ...at, headers, value: encodeEvent(type, event) },
      { ...at, headers, value: encodeEvent(type, { ...event, direction: 'grant', version: event.version + 1 }) },
    ]);
    expect(published.filter(({ ok }) => !ok)).toEqual([]);
    const watch = new OutcomeWatch(kafka, consent.parts.pool, log);
    await watch.start();
    const found = await waitFor(
      async () => {
        const { termination } = await receiptOf(body['changeId']);
        return termination?.complete === true ? termination : null;
      },
      { what: 'the outcome in the receipt', timeoutMs: 30_000 },
    );
    const told = () => receiptOf(body['changeId']).then(({ termination }) => termination?.recipients);
    expect(found.recipients).toEqual([
      expect.objectContaining({ recipient: 'hubspot-crm', outcome: 'accepted', at: event.at, accepted_at: event.at }),
    ]);
    const delay = { en: 'up to a day', fr: 'jusqu’à un jour' };
    const described = 'org.entente.recipient.described.v1';
    const words = { controller: event.controller, recipient: event.recipient, at: event.at, documentedDelay: delay };
    await publisher.publish([
      { ...at, headers: { ...headers, ce_type: described }, value: encodeEvent(described, words) },
    ]);
    await waitFor(async () => (await told())?.[0]?.documented_delay !== undefined, {
      what: 'the delay in the receipt',
    });
    expect(await told()).toEqual([
      expect.objectContaining({ documented_delay: delay, in_words: outcomeWords.accepted }),
    ]);
    await watch.stop();
    await kafka.close();
    const { rows } = await consent.pool.query('SELECT version FROM receipt_outcome WHERE subject_key = $1', [key]);
    expect(rows).toEqual([{ version: event.version }]);
  });
});

describe('J-3 verifying by API', () => {
  const verify = (receipt: unknown, token?: string) =>
    consent.post('/v1/receipts/verify', { receipt }, token === undefined ? {} : { token });

  test('gives the verdict that the keys alone give, and what stands now', async () => {
    const { body } = await grant('verify-me');
    await receiptOf(body['changeId']);
    const receipt = String((await consent.get(`/v1/receipts/${String(body['changeId'])}`)).body['receipt']);
    await consent.post('/v1/withdrawals', { subjectId: 'verify-me' });
    const offline = await verifyReceipt(receipt, jwks);
    const { current, ...verdict } = (await verify(receipt)).body;
    expect(verdict).toEqual(offline);
    expect(current).toMatchObject({
      version: 2,
      purposes: [{ effective: false }, { effective: false }, { effective: false }],
    });
    const stranger = (await verify(receipt, await consent.token(['consent:read'], 'other'))).body;
    expect(stranger).toMatchObject({ valid: true });
    expect(stranger['current']).toBeUndefined();
    const changed = `${receipt.slice(0, -10)}AAAAAAAAAA`;
    expect((await verify(changed)).body).toEqual(await verifyReceipt(changed, jwks));
    expect((await verify('nothing')).body).toMatchObject({ valid: false, fault: 'malformed' });
  });

  test('bad input is a problem with its field', async () => {
    for (const receipt of [undefined, '', 7, {}])
      expect(await verify(receipt)).toMatchObject({ status: 400, body: { errors: [{ pointer: '/receipt' }] } });
  });
});

describe('what has no receipt', () => {
  test('unknown and foreign changes, and ids that are none', async () => {
    const { body } = await grant('of-acme');
    const token = await consent.token(['consent:read'], 'other');
    expect(await consent.get(`/v1/receipts/${String(body['changeId'])}`, { token })).toMatchObject({ status: 404 });
    expect(await consent.get('/v1/receipts/chg_1')).toMatchObject({ status: 400 });
    expect(await consent.get(`/v1/receipts/chg_${randomUUID()}`)).toMatchObject({ status: 404 });
  });

  test('K-7 what was erased', async () => {
    const { body } = await grant('erased');
    await consent.post('/v1/withdrawals', { subjectId: 'erased' });
    await receiptOf(body['changeId']);
    await consent.pool.query('SELECT erase_ledger_contents($1, $2, 2)', ['acme', String(body['subjectKey'])]);
    expect(await consent.get(`/v1/receipts/${String(body['changeId'])}`)).toMatchObject({ status: 410 });
  });

  test('a change that gets no number, after a while', async () => {
    const { body } = await grant('unnumbered');
    const { status, headers } = await consent.get(`/v1/receipts/${String(body['changeId'])}`);
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
  });
});

test('J-2 the published keys are those of the configuration, without their secrets', async () => {
  expect(jwks).toEqual(parseReceiptKeys({ keys: [privateKey] }).jwks);
  const forged = await signReceipt(parseReceiptKeys({ keys: [newReceiptKey()] }), {} as ReceiptPayload);
  expect(await verifyReceipt(forged, jwks)).toMatchObject({ valid: false, fault: 'unknown-key' });
});
