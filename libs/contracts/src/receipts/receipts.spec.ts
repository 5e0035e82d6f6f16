import { readFile } from 'node:fs/promises';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CompactSign, calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import { leafOf } from '../ledger/entry.ts';
import { newReceiptKey, parseReceiptKeys, signReceipt } from './receipt-keys.ts';
import { receiptSchema, receiptType, recordSchema } from './receipt.ts';
import type { ReceiptPayload } from './receipt.ts';
import { verifyReceipt } from './verify-receipt.ts';

const commitment = '11'.repeat(32);
const key = 'k1.AAAAAAAAAAAAAAAAAAAAAA';

const payload: ReceiptPayload = {
  iss: 'urn:entente:consent',
  iat: 1_800_000_000,
  jti: 'chg_0193',
  sub: key,
  version: 2,
  receipt: {
    '@context': 'https://w3id.org/dpv/dpv.jsonld',
    schema_version: 'https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr',
    receipt_id: 'chg_0193',
    record_id: `${key}/2`,
    pii_principal_id: key,
    processing: [
      {
        purpose: 'email-marketing',
        purpose_type: 'first-party',
        lawful_basis: 'consent',
        privacy_notice: `privacy@1 sha-256:${commitment}`,
        language: ['en', 'fr'],
        pii_information: [{ pii_type: 'contact', pii_optional: true }],
        pii_controllers: ['acme'],
        collection_method: 'preference-centre',
        storage_locations: ['FR'],
        retention_period: 'P3Y',
        jurisdiction: 'FR',
        recipient_third_parties: ['hubspot-crm'],
        withdrawal_method: 'https://acme.example/choices',
        privacy_rights: ['GDPR 15 to 22'],
        event: [
          {
            event_time: '2026-11-22T09:00:00.000000Z',
            validity_duration: 'until withdrawn',
            entity_id: key,
            event_type: 'granted to withdrawn, by person',
            event_state: 'dpv:ConsentWithdrawn',
          },
        ],
      },
    ],
    party_identification: [
      {
        party_id: 'acme',
        party_name: 'Acme',
        party_address: 'Paris',
        party_contact: 'dpo',
        party_type: 'pii_controller',
      },
    ],
  },
  ledger: { number: 7, commitment, leaf_hash: leafOf(Buffer.from(commitment, 'hex')).toString('hex') },
  termination: { complete: false, recipients: [{ recipient: 'hubspot-crm', outcome: 'waiting' }] },
};

const current = newReceiptKey();
const keys = parseReceiptKeys({ keys: [current] });

/** What somebody signs who holds the key, whatever it says. */
const signedAs = (content: unknown, header: object = {}) =>
  new CompactSign(Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)))
    .setProtectedHeader({ alg: 'EdDSA', kid: keys.kid, typ: receiptType, ...header })
    .sign(keys.privateKey);

/** The same with a header that the library would not sign. */
function withHeader(header: object): Promise<string> {
  const parts = [{ alg: 'EdDSA', kid: keys.kid, typ: receiptType, ...header }, payload];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return Promise.resolve(`${text}.${sign(null, Buffer.from(text), keys.privateKey).toString('base64url')}`);
}

describe('J-1 a receipt', () => {
  test('is a compact JWS whose kid is the RFC 7638 thumbprint', async () => {
    const receipt = await signReceipt(keys, payload);
    expect(decodeProtectedHeader(receipt)).toEqual({ alg: 'EdDSA', kid: keys.kid, typ: receiptType });
    expect(keys.kid).toBe(await calculateJwkThumbprint(keys.jwks.keys[0]!));
    expect(await verifyReceipt(receipt, keys.jwks)).toEqual({ valid: true, kid: keys.kid, payload });
  });

  test('is accepted under the newer name of its algorithm', async () => {
    expect(await verifyReceipt(await signedAs(payload, { alg: 'Ed25519' }), keys.jwks)).toMatchObject({ valid: true });
  });

  test('any flipped bit of it is refused', async () => {
    const bytes = Buffer.from(await signReceipt(keys, payload));
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
        expect((await verifyReceipt(changed.toString('latin1'), keys.jwks)).valid).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['no JWS', 'malformed', () => Promise.resolve('hello')],
    ['an empty text', 'malformed', () => Promise.resolve('')],
    ['another type', 'wrong-type', () => signedAs(payload, { typ: 'at+jwt' })],
    ['an unknown key', 'unknown-key', () => signedAs(payload, { kid: 'other' })],
    ['no JSON', 'bad-content', () => signedAs('{')],
    ['another content', 'bad-content', () => signedAs({ hello: 'world' })],
    [
      'a state from the future',
      'bad-content',
      () => signedAs(JSON.stringify(payload).replace('ConsentWithdrawn', 'X')),
    ],
    [
      'another leaf',
      'bad-content',
      () => signedAs({ ...payload, ledger: { ...payload.ledger, leaf_hash: commitment } }),
    ],
    ['a critical header we do not know', 'bad-signature', () => withHeader({ crit: ['later'], later: 1 })],
  ] as const)('%s is refused as %s', async (_what, fault, make) => {
    const verdict = await verifyReceipt(await make(), keys.jwks);
    expect(verdict).toMatchObject({ valid: false, fault });
  });

  test('a secret in place of the public key signs nothing (RFC 8725)', async () => {
    const header = Buffer.from(JSON.stringify({ alg: 'none', kid: keys.kid, typ: receiptType })).toString('base64url');
    const body = Buffer.from(JSON.stringify(payload)).toString('base64url');
    expect(await verifyReceipt(`${header}.${body}.`, keys.jwks)).toMatchObject({
      valid: false,
      fault: 'bad-signature',
    });
    const symmetric = { keys: [{ kty: 'oct', k: 'AAAA', kid: keys.kid }] };
    expect(await verifyReceipt(await signReceipt(keys, payload), symmetric)).toMatchObject({ fault: 'unknown-key' });
  });
});

describe('J-2 keys', () => {
  test('a retired key’s receipts stay true, and the new key signs', async () => {
    const old = await signReceipt(keys, payload);
    const { d: _private, ...retired } = current;
    const rotated = parseReceiptKeys({ keys: [newReceiptKey(), retired] });
    expect(rotated.kid).not.toBe(keys.kid);
    expect(await verifyReceipt(old, rotated.jwks)).toMatchObject({ valid: true, kid: keys.kid });
    expect(await verifyReceipt(await signReceipt(rotated, payload), rotated.jwks)).toMatchObject({ kid: rotated.kid });
    expect(await verifyReceipt(await signReceipt(rotated, payload), keys.jwks)).toMatchObject({ fault: 'unknown-key' });
  });

  test('nothing private is published', () => {
    expect(JSON.stringify(keys.jwks)).not.toContain(String(current.d));
    expect(keys.jwks.keys).toEqual([
      { kty: 'OKP', crv: 'Ed25519', x: current.x, kid: keys.kid, alg: 'EdDSA', use: 'sig' },
    ]);
  });

  test.each([
    [undefined, 'JWK set'],
    [{ keys: [] }, 'JWK set'],
    [{ keys: ['x'] }, 'key 1 is not a JWK'],
    [{ keys: [{ ...current, d: undefined }] }, 'key 1 is not a private JWK'],
    [
      { keys: [current, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })] },
      'key 2',
    ],
  ])('%#: what is no key set is said so, without the key', (value, message) => {
    expect(() => parseReceiptKeys(value)).toThrow(message);
  });

  test('the published key is that of the private one', () => {
    const exported = createPublicKey(keys.privateKey).export({ format: 'jwk' });
    expect(exported.x).toBe(keys.jwks.keys[0]?.x);
  });
});

test.each([
  ['consent-receipt.v1.json', receiptSchema],
  ['consent-record.v1.json', recordSchema],
])('R-1 the committed JSON Schema %s is the code’s', async (file, schema) => {
  const committed = await readFile(new URL(`../../schemas/${file}`, import.meta.url), 'utf8');
  expect(JSON.parse(committed)).toEqual(schema);
});

test('R-1 exactly the names of ISO/IEC TS 27560 as W3C DPV lists them', () => {
  const mandatory = {
    processing: [
      ...[
        'privacy_notice',
        'language',
        'purpose',
        'lawful_basis',
        'pii_information',
        'pii_controllers',
        'collection_method',
      ],
      ...['storage_locations', 'retention_period', 'jurisdiction', 'recipient_third_parties', 'withdrawal_method'],
      'privacy_rights',
    ],
    party: ['party_id', 'party_address', 'party_name', 'party_contact', 'party_type'],
    event: ['event_time', 'validity_duration', 'entity_id', 'event_type', 'event_state'],
  };
  const [processing] = payload.receipt.processing;
  expect(Object.keys(processing!)).toEqual(expect.arrayContaining(mandatory.processing));
  expect(Object.keys(payload.receipt.party_identification[0]!).sort()).toEqual(mandatory.party.sort());
  expect(Object.keys(processing!.event[0]!).sort()).toEqual(mandatory.event.sort());
  expect(Object.keys(payload.receipt)).toEqual(
    expect.arrayContaining(['schema_version', 'record_id', 'pii_principal_id']),
  );
});
