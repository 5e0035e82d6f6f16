import { member } from '@entente/connector-runtime';
import { importJWK, jwtVerify, SignJWT, type JWK, type JWTPayload } from 'jose';
import { createHash, createPrivateKey, type KeyObject } from 'node:crypto';
import type { Acknowledgement } from './plan.ts';
import type { IabDataDeletionSettings } from './settings.ts';

const version = '1.0';
/** What the keys a vendor may publish can sign with; nothing symmetric. */
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

/** Who is to be forgotten, and for which change: the same request keeps its ids over every repetition. */
export interface Deletion {
  readonly identifier: string;
  readonly subjectKey: string;
  readonly version: number;
}

const signingKeys = new WeakMap<IabDataDeletionSettings, KeyObject>();

function signingKey(settings: IabDataDeletionSettings): KeyObject {
  const key = signingKeys.get(settings) ?? createPrivateKey(settings.privateKey);
  signingKeys.set(settings, key);
  return key;
}

/** The request JWT, with the identity JWT inside that says on whose behalf: both are the controller's here. */
export async function requestToken(
  settings: IabDataDeletionSettings,
  deletion: Deletion,
  now: number,
): Promise<string> {
  const { issuer, keyId, domain, identifierType, identifierFormat } = settings;
  const key = signingKey(settings);
  const alg = key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  const sub = { identifierValue: deletion.identifier, identifierType, identifierFormat };
  const signed = (claims: object, id: string): Promise<string> =>
    // `sub` is an object in this framework, a string in RFC 7519: it goes in as a claim like any other.
    new SignJWT({ version, iss: issuer, sub, iat: Math.floor(now / 1000), jti: id, ...claims } as unknown as JWTPayload)
      .setProtectedHeader({ typ: 'JWT', alg, kid: keyId })
      .sign(key);
  const idJWT = await signed({}, idOf(issuer, deletion));
  return signed({ idJWT }, idOf(`${issuer} ${domain}`, deletion));
}

/** A one-way name: nobody reads a person out of it. */
const idOf = (context: string, { identifier, subjectKey, version: of }: Deletion): string =>
  createHash('sha256').update(`${context} ${subjectKey} ${of} ${identifier}`).digest('base64url').slice(0, 32);

/** The acknowledgement in a body: plain, as a JSON text, or as the member `acJWT`; the framework leaves it open. */
export function acknowledgementIn(body: string): string | null {
  const text = body.trim();
  if (compactForm.test(text)) return text;
  const json = jsonOf(text);
  const found = typeof json === 'string' ? json : member(json, 'acJWT');
  return typeof found === 'string' && compactForm.test(found) ? found : null;
}

const compactForm = /^[\w-]+\.[\w-]+\.[\w-]+$/;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON: then there is no acknowledgement in it.
    return undefined;
  }
}

/**
 * The acknowledgement's claims, if one of the vendor's published keys signed it, in the vendor's name, for exactly this
 * request; null otherwise (ACK-TRUTH).
 */
export async function verified(
  acJWT: string,
  { keys, vendor, rqJWT }: { readonly keys: readonly JWK[]; readonly vendor: string; readonly rqJWT: string },
): Promise<Acknowledgement | null> {
  for (const key of keys) {
    const claims = await claimsUnder(key, acJWT, vendor);
    if (claims === null) continue;
    const { jti, raResultCode: code } = claims;
    if (claims['rqJWT'] !== rqJWT || typeof jti !== 'string' || typeof code !== 'number') return null;
    return { jti, code };
  }
  return null;
}

async function claimsUnder(key: JWK, token: string, issuer: string): Promise<JWTPayload | null> {
  try {
    const imported = await importJWK(
      key,
      key.alg ?? (key.kty === 'EC' ? 'ES256' : key.kty === 'RSA' ? 'RS256' : 'EdDSA'),
    );
    return (await jwtVerify(token, imported, { algorithms, issuer })).payload;
  } catch {
    // Another key, another issuer, no such curve, an altered text: none of them makes it the vendor's word.
    return null;
  }
}
