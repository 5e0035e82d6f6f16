import { createCipheriv, randomBytes } from 'node:crypto';
import { compactDecrypt } from 'jose';
import { keyObject } from './key-object.ts';

/** One symmetric key of an audience; `kid` names it in the JWE header. Kept until nothing sealed under it is left. */
export interface SealingKey {
  readonly kid: string;
  /** 32 bytes, for A256GCM. */
  readonly key: Uint8Array;
}

/** Keys one process can open with, by kid; the first is used to seal. */
export type KeyRing = readonly [SealingKey, ...SealingKey[]];

/** A sealed value that cannot be opened: unknown key, altered, or not JSON. It parks work; it never settles it. */
export class Unsealable extends Error {
  override readonly name = 'Unsealable';
}

/** Bytes of the initialisation vector and of the tag (RFC 7518 §5.3). */
const ivBytes = 12;
const tagBytes = 16;

/**
 * SEAL-1: compact JWE, `dir` + A256GCM, over JSON. By Node's own cipher: some of these are made for each person of an import,
 * and WebCrypto, which jose uses, spends several times as long on a short text (`unseal` holds the two to each other).
 */
export function seal(ring: KeyRing, value: unknown): Promise<string> {
  return new Promise((resolve) => {
    const { kid, key } = ring[0];
    const header = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid })).toString('base64url');
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', keyObject(key), iv, { authTagLength: tagBytes });
    cipher.setAAD(Buffer.from(header));
    const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
    const parts = [iv, text, cipher.getAuthTag()].map((part) => part.toString('base64url'));
    // No encrypted key between the first two dots: `dir`.
    resolve(`${header}..${parts.join('.')}`);
  });
}

/** Opens what `seal` made under any key of the ring. Throws `Unsealable`. */
export async function unseal(ring: KeyRing, sealed: string): Promise<unknown> {
  try {
    const { plaintext } = await compactDecrypt(
      sealed,
      (header) => {
        const found = ring.find(({ kid }) => kid === header.kid);
        if (!found) throw new Unsealable(`no key ${String(header.kid)}`);
        return found.key;
      },
      { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] },
    );
    return JSON.parse(new TextDecoder().decode(plaintext)) as unknown;
  } catch (cause) {
    throw new Unsealable('cannot open the sealed value', { cause });
  }
}

/** Parses `kid:base64url[,kid:base64url…]` (configuration). Throws with the position of the first bad key. */
export function parseKeyRing(text: string): KeyRing {
  const keys = text.split(',').map((entry, index) => {
    const [kid, encoded] = entry.trim().split(':');
    const key = Buffer.from(encoded ?? '', 'base64url');
    if (!kid || key.length !== 32) throw new Error(`key ${index + 1} is not kid:<32 bytes in base64url>`);
    return { kid, key: new Uint8Array(key) };
  });
  const [first, ...rest] = keys;
  if (!first) throw new Error('no key');
  return [first, ...rest];
}
