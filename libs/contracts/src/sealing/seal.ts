import { CompactEncrypt, compactDecrypt } from 'jose';

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

/** SEAL-1: compact JWE, `dir` + A256GCM, over JSON. */
export async function seal(ring: KeyRing, value: unknown): Promise<string> {
  const { kid, key } = ring[0];
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(value)))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid })
    .encrypt(key);
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
