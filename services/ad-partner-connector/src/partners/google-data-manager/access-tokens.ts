import {
  answerOf,
  failureOf,
  member,
  type Answer,
  type Outcome,
  type PartnerContext,
} from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { SignJWT } from 'jose';
import { createPrivateKey } from 'node:crypto';
import type { GoogleDataManagerSettings } from './settings.ts';

type Context = Pick<PartnerContext<GoogleDataManagerSettings>, 'settings' | 'call' | 'now'>;

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const scope = 'https://www.googleapis.com/auth/datamanager';
/** The longest life Google grants an assertion (Google, "Using OAuth 2.0 for server to server applications"). */
const assertionSeconds = 3_600;
/** Renewed this long before its end, so that no call in flight outlives it. */
const renewAheadMs = 60_000;

interface Held {
  readonly token: string;
  /** Wall time in milliseconds. */
  readonly renewAt: number;
}

/** Why there is no token: nothing about a person was sent. */
export type TokenFailure = Extract<Outcome, { kind: 'retry' | 'refused' }>;
type AccessToken = { readonly token: string } | { readonly failure: TokenFailure };

/** One access token per configured account (service account JWT grant, RFC 7523), kept until shortly before its end. */
export class AccessTokens {
  readonly #held = new WeakMap<GoogleDataManagerSettings, Held>();

  async of(context: Context): Promise<AccessToken> {
    const { settings } = context;
    const now = context.now();
    const held = this.#held.get(settings);
    if (held !== undefined && now < held.renewAt) return { token: held.token };
    const result = answerOf(await context.call(tokenRequest(settings, await assertion(settings, now))));
    // Nothing about a person was sent, so an unanswered grant leaves nothing unclear.
    if ('failure' in result) return { failure: { kind: 'retry', why: 'token-unavailable' } };
    const granted = readGrant(result.answer, now);
    if ('failure' in granted) return granted;
    this.#held.set(settings, granted);
    return { token: granted.token };
  }

  /** A token the server has refused, unless another call has renewed it already. */
  drop(settings: GoogleDataManagerSettings, token: string): void {
    if (this.#held.get(settings)?.token === token) this.#held.delete(settings);
  }
}

async function assertion(settings: GoogleDataManagerSettings, now: number): Promise<string> {
  const { clientEmail, privateKey, privateKeyId, tokenUrl } = settings;
  const issuedAt = Math.floor(now / 1000);
  return new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(privateKeyId === undefined ? {} : { kid: privateKeyId }) })
    .setIssuer(clientEmail)
    .setAudience(tokenUrl)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertionSeconds)
    .sign(createPrivateKey(privateKey));
}

function tokenRequest({ tokenUrl }: GoogleDataManagerSettings, jwt: string): HttpRequest {
  const body = new URLSearchParams({ grant_type: grantType, assertion: jwt }).toString();
  return {
    method: 'POST',
    url: new URL(tokenUrl),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** RFC 6749 §5.1 and §5.2. */
export function readGrant(answer: Answer, now: number): Held | { readonly failure: TokenFailure } {
  const token = member(answer.json, 'access_token');
  const seconds = member(answer.json, 'expires_in');
  if (answer.status === 200 && typeof token === 'string' && token !== '' && typeof seconds === 'number')
    return { token, renewAt: now + seconds * 1000 - renewAheadMs };
  const failure = failureOf(answer);
  if (failure.kind === 'unclear') return { failure: { kind: 'retry', why: 'token-unavailable' } };
  // 400 invalid_grant, invalid_client, unauthorized_client: the account or its key is wrong, repeating does not help.
  return { failure: failure.kind === 'refused' ? { kind: 'refused', why: 'authentication' } : failure };
}
