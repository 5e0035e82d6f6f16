import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { JsonWebKeyInput, KeyObject } from 'node:crypto';
import { CompactSign } from 'jose';
import type { JWK } from 'jose';
import { receiptType } from './receipt.ts';
import type { ReceiptPayload } from './receipt.ts';
import type { ReceiptJwks } from './verify-receipt.ts';

/** The first key signs; the others are published for as long as receipts they signed are about (J-2). */
export interface ReceiptKeys {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwks: ReceiptJwks;
}

type Jwk = JsonWebKeyInput['key'];

/** RFC 7638: SHA-256 of the key's required members in their one order. */
const thumbprint = (x: string): string =>
  createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');

/**
 * Reads a JWK set: a private Ed25519 key first, then retired ones, of which the public part is enough. Its errors name
 * positions, never key material.
 */
export function parseReceiptKeys(value: unknown): ReceiptKeys {
  const keys =
    typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
      ? (value.keys as unknown[])
      : [];
  const [first] = keys;
  if (first === undefined) throw new Error('not a JWK set with at least one key');
  const published = keys.map((key, at) => publicJwk(key, at));
  const privateKey = keyFrom(() => createPrivateKey({ key: first as Jwk, format: 'jwk' }), 0, 'private ');
  return { kid: published[0]?.kid ?? '', privateKey, jwks: { keys: published } };
}

function publicJwk(key: unknown, at: number): JWK {
  const { kty, crv, x } = keyFrom(() => createPublicKey({ key: key as Jwk, format: 'jwk' }), at, '').export({
    format: 'jwk',
  });
  if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined) throw new Error(`key ${at + 1} is not an Ed25519 key`);
  return { kty, crv, x, kid: thumbprint(x), alg: 'EdDSA', use: 'sig' };
}

function keyFrom(read: () => KeyObject, at: number, kind: string): KeyObject {
  try {
    return read();
  } catch {
    throw new Error(`key ${at + 1} is not a ${kind}JWK`);
  }
}

/** J-1: compact JWS, EdDSA, `kid` = thumbprint. */
export const signReceipt = ({ kid, privateKey }: ReceiptKeys, payload: ReceiptPayload): Promise<string> =>
  new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', kid, typ: receiptType })
    .sign(privateKey);

/** A fresh private key as configuration takes it; it goes before those in use. */
export function newReceiptKey(): JWK {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ format: 'jwk' });
}
