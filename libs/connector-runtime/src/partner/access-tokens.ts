import type { HttpRequest } from '@entente/gate';
import { SignJWT } from 'jose';
import { createPrivateKey } from 'node:crypto';
import { answerOf, failureOf, member, withoutAnswer, type Answer } from './answer.ts';
import type { PartnerContext } from './definition.ts';
import type { Outcome } from './outcome.ts';

/** Renewed this long before its end, so that no call in flight outlives it. */
const renewAheadMs = 60_000;

interface Held {
  readonly token: string;
  /** Wall time in milliseconds. */
  readonly renewAt: number;
}

/** Why there is no token: nothing about a person was sent. */
export type TokenFailure = Extract<Outcome, { kind: 'retry' | 'refused' }>;

type Grant = Held | { readonly failure: TokenFailure };

/** Sends with an account's access token; where the server refuses it, once more with a new one. */
export type WithToken<S extends object> = <T, O extends { readonly kind: string }>(
  context: PartnerContext<S>,
  items: readonly T[],
  send: (token: string, items: T[]) => Promise<O[]>,
) => Promise<(O | TokenFailure)[]>;

/**
 * One access token per configured account, kept until shortly before its end, or until it is refused where the server does
 * not tell its end (Salesforce). `grant` asks for one (RFC 6749); whoever needs it first asks for all.
 */
export function accessTokens<S extends object>(
  grant: (settings: S, now: number) => HttpRequest | Promise<HttpRequest>,
): WithToken<S> {
  const held = new WeakMap<S, Held>();
  const asking = new WeakMap<S, Promise<Grant>>();

  const ask = async (context: PartnerContext<S>): Promise<Grant> => {
    const { settings, log } = context;
    const result = answerOf(await context.call(await grant(settings, context.now())));
    // Nothing about a person was sent, so an unanswered grant leaves nothing unclear.
    if ('failure' in result) return { failure: withoutAnswer(result.failure, 'token-unavailable') };
    const granted = readGrant(result.answer, context.now());
    if ('token' in granted) held.set(settings, granted);
    // The server's own code tells an operator whether the app, its key or its user is the matter.
    else log.warn({ error: member(result.answer.json, 'error'), why: granted.failure.why }, 'no access token');
    return granted;
  };

  const tokenOf = (context: PartnerContext<S>): Promise<Grant> => {
    const { settings } = context;
    const kept = held.get(settings);
    if (kept !== undefined && context.now() < kept.renewAt) return Promise.resolve(kept);
    const asked = asking.get(settings) ?? ask(context).finally(() => asking.delete(settings));
    asking.set(settings, asked);
    return asked;
  };

  return async (context, items, send) => {
    const first = await tokenOf(context);
    if ('failure' in first) return items.map(() => first.failure);
    const outcomes = await send(first.token, [...items]);
    // What is refused for its token is sent once more, then a person must look (partner-apis.md §15).
    const again = items.filter((_, index) => isUnauthenticated(outcomes[index]));
    if (again.length === 0) return outcomes;
    // Unless another call has renewed it already.
    if (held.get(context.settings)?.token === first.token) held.delete(context.settings);
    const second = await tokenOf(context);
    const repeated = 'failure' in second ? again.map(() => second.failure) : await send(second.token, again);
    const renewed = new Map(again.map((item, index) => [item, repeated[index]]));
    return outcomes.map((outcome, index) => renewed.get(items[index] as (typeof items)[number]) ?? outcome);
  };
}

const isUnauthenticated = (outcome: { readonly kind: string } | undefined): boolean =>
  outcome?.kind === 'refused' && 'why' in outcome && outcome.why === 'authentication';

/** A form, as every token endpoint takes it (RFC 6749 §4). */
export function tokenRequest(url: string | URL, form: Readonly<Record<string, string>>): HttpRequest {
  const body = new URLSearchParams(form).toString();
  return {
    method: 'POST',
    url: new URL(url),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
      accept: 'application/json',
    },
    body,
  };
}

/** RFC 6749 §5.1 and §5.2. */
function readGrant(answer: Answer, now: number): Grant {
  const token = member(answer.json, 'access_token');
  const seconds = member(answer.json, 'expires_in');
  if (answer.status === 200 && typeof token === 'string' && token !== '')
    return { token, renewAt: typeof seconds === 'number' ? now + seconds * 1000 - renewAheadMs : Infinity };
  const failure = failureOf(answer);
  if (failure.kind === 'unclear') return { failure: { kind: 'retry', why: 'token-unavailable' } };
  // 400 invalid_grant, invalid_client, unauthorized_client: the account or its key is wrong, repeating does not help.
  return { failure: failure.kind === 'refused' ? { kind: 'refused', why: 'authentication' } : failure };
}

/** A service account as its JSON key describes it. */
export interface ServiceAccount {
  /** Also the audience of the assertions signed for it. */
  readonly tokenUrl: string;
  readonly clientEmail: string;
  /** RSA, in PEM. */
  readonly privateKey: string;
  readonly privateKeyId?: string;
}

/** The longest life Google grants an assertion (Google, "Using OAuth 2.0 for server to server applications"). */
const assertionSeconds = 3_600;

/** Asks for a token with a signed assertion (JWT bearer grant, RFC 7523). */
export async function serviceAccountGrant(account: ServiceAccount, scope: string, now: number): Promise<HttpRequest> {
  const { clientEmail, privateKey, privateKeyId, tokenUrl } = account;
  const issuedAt = Math.floor(now / 1000);
  const assertion = await new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(privateKeyId === undefined ? {} : { kid: privateKeyId }) })
    .setIssuer(clientEmail)
    .setAudience(tokenUrl)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertionSeconds)
    .sign(createPrivateKey(privateKey));
  return tokenRequest(tokenUrl, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
}
