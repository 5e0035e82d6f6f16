import { createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { isRecord, type Json, parsed } from '../narrow.ts';

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The parts of a compact JWS (RFC 7515 §7.1); undefined where it is none. */
export interface Token {
  readonly header: Json;
  readonly claims: Json;
  readonly signed: string;
  readonly signature: Buffer;
}

export function tokenOf(text: string): Token | undefined {
  const [head = '', body = '', signature = '', ...more] = text.split('.');
  if (more.length > 0 || signature === '') return undefined;
  const [header, claims] = [head, body].map((part) => parsed(Buffer.from(part, 'base64url').toString('utf8')));
  if (!isRecord(header) || !isRecord(claims)) return undefined;
  return { header, claims, signed: `${head}.${body}`, signature: Buffer.from(signature, 'base64url') };
}

/** RS256 or ES256, as the key allows; nothing else, whatever the header asks for. */
export function isSignedBy({ header, signed, signature }: Token, key: KeyObject): boolean {
  const rsa = key.asymmetricKeyType === 'rsa';
  if (header['alg'] !== (rsa ? 'RS256' : 'ES256')) return false;
  return verify('sha256', Buffer.from(signed), rsa ? key : { key, dsaEncoding: 'ieee-p1363' }, signature);
}

export const publicKeyOf = (spki: string): KeyObject =>
  createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });

/** A key pair of the vendor's, with its name; EC as in the framework's own example of a published key. */
export class SigningKey {
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly kid = randomUUID();

  get jwk(): object {
    return { ...this.#pair.publicKey.export({ format: 'jwk' }), kid: this.kid };
  }

  signed(claims: object): string {
    const text = `${encoded({ typ: 'JWT', alg: 'ES256', kid: this.kid })}.${encoded(claims)}`;
    const key = { key: this.#pair.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  }
}
