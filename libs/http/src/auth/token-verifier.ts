import { idPattern, scopes as knownScopes } from '@entente/contracts';
import type { ControllerId, Scope } from '@entente/contracts';
import type { Clock } from '@entente/observability';
import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import { createHash } from 'node:crypto';
import { invalidToken, issuerUnavailable } from './auth-refusals.ts';
import type { Caller } from './caller.ts';

/** An issuer and where its public keys are. */
export type TrustedIssuer =
  { readonly issuer: string; readonly jwksUrl: string } | { readonly issuer: string; readonly jwks: JSONWebKeySet };

/** A verified token is not verified again for this long: bounds how late a removed key is noticed. */
const cacheMs = 30_000;
const cacheSize = 10_000;
/** Clock difference between issuer and us that `iat`, `nbf` and `exp` may show. */
const clockToleranceS = 5;
/** Longest token looked at; ours have about 700 characters. */
const maxTokenLength = 8_192;
const jwksTimeoutMs = 3_000;

const controllerPattern = new RegExp(idPattern.controller);

interface Verified {
  readonly caller: Caller;
  readonly untilMs: number;
}

/** Verifies RFC 9068 access tokens of the trusted issuers. */
export class TokenVerifier {
  readonly #keysOf: ReadonlyMap<string, JWTVerifyGetKey>;
  readonly #audience: string;
  readonly #clock: Clock;
  readonly #verified = new Map<string, Verified>();

  constructor(issuers: readonly TrustedIssuer[], audience: string, clock: Clock) {
    this.#keysOf = new Map(issuers.map((trusted) => [trusted.issuer, keysOf(trusted)]));
    this.#audience = audience;
    this.#clock = clock;
  }

  /** @throws Refusal 401 when the token is not good, 503 when that cannot be found out. */
  async verify(token: string): Promise<Caller> {
    if (token.length > maxTokenLength) throw invalidToken('it is too long');
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#verified.get(digest);
    if (known !== undefined && this.#clock.now() < known.untilMs) return known.caller;
    const payload = await this.#verifiedPayload(token);
    const caller = callerIn(payload);
    this.#remember(digest, { caller, untilMs: Math.min(this.#clock.now() + cacheMs, (payload.exp ?? 0) * 1_000) });
    return caller;
  }

  async #verifiedPayload(token: string): Promise<JWTPayload> {
    const keys = this.#keysOf.get(claimedIssuer(token));
    if (keys === undefined) throw invalidToken('its issuer is not trusted here');
    try {
      const { payload } = await jwtVerify(token, keys, {
        typ: 'at+jwt',
        algorithms: ['EdDSA', 'Ed25519', 'ES256', 'RS256'],
        audience: this.#audience,
        requiredClaims: ['iss', 'aud', 'exp', 'iat', 'sub', 'client_id', 'jti', 'scope', 'controller'],
        clockTolerance: clockToleranceS,
        currentDate: new Date(this.#clock.now()),
      });
      return payload;
    } catch (error) {
      throw refusalFor(error);
    }
  }

  #remember(digest: string, verified: Verified): void {
    this.#verified.delete(digest);
    this.#verified.set(digest, verified);
    const [oldest] = this.#verified.keys();
    if (this.#verified.size > cacheSize && oldest !== undefined) this.#verified.delete(oldest);
  }
}

function keysOf(trusted: TrustedIssuer): JWTVerifyGetKey {
  return 'jwks' in trusted
    ? createLocalJWKSet(trusted.jwks)
    : createRemoteJWKSet(new URL(trusted.jwksUrl), { timeoutDuration: jwksTimeoutMs });
}

function claimedIssuer(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    // jose's message may quote the token.
    throw invalidToken('it is not a JWT');
  }
}

/** What the caller may know about why the token failed. */
function refusalFor(error: unknown): Error {
  if (error instanceof errors.JWTExpired) return invalidToken('it has expired');
  if (error instanceof errors.JWTClaimValidationFailed) return invalidToken(`its ${error.claim} is not acceptable`);
  if (error instanceof errors.JWKSNoMatchingKey) return invalidToken('it is signed by an unknown key');
  if (error instanceof errors.JWSSignatureVerificationFailed) return invalidToken('its signature does not verify');
  if (error instanceof errors.JOSEAlgNotAllowed) return invalidToken('its algorithm is not allowed');
  if (error instanceof errors.JWKSTimeout || isNetworkFailure(error)) return issuerUnavailable();
  // What createRemoteJWKSet throws for any answer but 200 has the generic code.
  if (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC') return issuerUnavailable();
  if (error instanceof errors.JOSEError) return invalidToken('it is malformed');
  return error instanceof Error ? error : new Error('token verification failed', { cause: error });
}

/** fetch rejects with a TypeError when there was no answer. */
function isNetworkFailure(error: unknown): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, 'name') === 'TypeError';
}

function callerIn(payload: JWTPayload): Caller {
  const { sub, client_id: clientId, scope, controller } = payload;
  if (typeof sub !== 'string' || sub === '') throw invalidToken('its sub is not acceptable');
  if (typeof clientId !== 'string' || clientId === '') throw invalidToken('its client_id is not acceptable');
  if (typeof scope !== 'string') throw invalidToken('its scope is not acceptable');
  if (typeof controller !== 'string' || !controllerPattern.test(controller))
    throw invalidToken('its controller is not acceptable');
  const held = new Set(scope.split(' '));
  const scopes: readonly Scope[] = Object.freeze(knownScopes.filter((known) => held.has(known)));
  return Object.freeze({ controller: controller as ControllerId, subject: sub, clientId, scopes });
}
