import {
  answerOf,
  failureOf,
  member,
  withoutAnswer,
  type Answer,
  type Outcome,
  type PartnerContext,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { SignJWT } from 'jose';
import { createPrivateKey } from 'node:crypto';
import type { SalesforceSettings } from './settings.ts';

type Context = Pick<PartnerContext<SalesforceSettings>, 'settings' | 'call' | 'now' | 'log'>;

const jwtGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** The longest life Salesforce grants an assertion (Salesforce Help, "OAuth 2.0 JWT Bearer Flow"). */
const assertionSeconds = 180;

/** Why there is no token: nothing about a person was sent. */
type TokenFailure = Extract<Outcome, { kind: 'retry' | 'refused' }>;
type AccessToken = { readonly token: string } | { readonly failure: TokenFailure };

/**
 * One session per configured organisation. Its life is a policy of the organisation and not told, so it is kept until
 * Salesforce refuses it (`INVALID_SESSION_ID`), and whoever meets that first renews it for all.
 */
export class AccessTokens {
  readonly #held = new WeakMap<SalesforceSettings, string>();
  readonly #asking = new WeakMap<SalesforceSettings, Promise<AccessToken>>();

  of(context: Context): Promise<AccessToken> {
    const { settings } = context;
    const held = this.#held.get(settings);
    if (held !== undefined) return Promise.resolve({ token: held });
    const asking = this.#asking.get(settings) ?? this.#ask(context).finally(() => this.#asking.delete(settings));
    this.#asking.set(settings, asking);
    return asking;
  }

  /**
   * Sends with the session of the organisation. What is refused for its session is sent once more with a new one, then a
   * human being must look (partner-apis.md §15); what has an outcome of its own keeps it.
   */
  async with<T, O extends Outcome | ShareOutcome | { readonly kind: 'absent' }>(
    context: Context,
    items: readonly T[],
    send: (token: string, items: T[]) => Promise<O[]>,
  ): Promise<(O | TokenFailure)[]> {
    const first = await this.of(context);
    if ('failure' in first) return items.map(() => first.failure);
    const outcomes = await send(first.token, [...items]);
    const again = items.filter((_, index) => isUnauthenticated(outcomes[index]));
    if (again.length === 0) return outcomes;
    if (this.#held.get(context.settings) === first.token) this.#held.delete(context.settings);
    const second = await this.of(context);
    const repeated = 'failure' in second ? again.map(() => second.failure) : await send(second.token, again);
    const renewed = new Map(again.map((item, index) => [item, repeated[index]]));
    return outcomes.map((outcome, index) => renewed.get(items[index] as T) ?? outcome);
  }

  async #ask(context: Context): Promise<AccessToken> {
    const { settings, log } = context;
    const result = answerOf(await context.call(tokenRequest(settings, await grantOf(settings, context.now()))));
    if ('failure' in result) return { failure: withoutAnswer(result.failure, 'token-unavailable') };
    const granted = readGrant(result.answer);
    if ('token' in granted) this.#held.set(settings, granted.token);
    // Salesforce's own code tells an operator whether the app, its key or its user is the matter.
    else log.warn({ error: member(result.answer.json, 'error'), why: granted.failure.why }, 'no Salesforce session');
    return granted;
  }
}

const isUnauthenticated = (outcome: { readonly kind: string } | undefined): boolean =>
  outcome?.kind === 'refused' && 'why' in outcome && outcome.why === 'authentication';

async function grantOf(settings: SalesforceSettings, now: number): Promise<Readonly<Record<string, string>>> {
  const { clientId, clientSecret, username = '', privateKey = '' } = settings;
  if (clientSecret !== undefined)
    return { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
  const { audience = settings.loginUrl ?? settings.instanceUrl } = settings;
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(clientId)
    .setSubject(username)
    .setAudience(audience)
    .setExpirationTime(Math.floor(now / 1000) + assertionSeconds)
    .sign(createPrivateKey(privateKey));
  return { grant_type: jwtGrant, assertion };
}

function tokenRequest(settings: SalesforceSettings, form: Readonly<Record<string, string>>): HttpRequest {
  const body = new URLSearchParams(form).toString();
  return {
    method: 'POST',
    url: new URL('/services/oauth2/token', settings.loginUrl ?? settings.instanceUrl),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
      accept: 'application/json',
    },
    body,
  };
}

/** RFC 6749 §5.1 and §5.2; Salesforce names no lifetime. */
export function readGrant(answer: Answer): AccessToken {
  const token = member(answer.json, 'access_token');
  if (answer.status === 200 && typeof token === 'string' && token !== '') return { token };
  const failure = failureOf(answer);
  if (failure.kind === 'unclear') return { failure: { kind: 'retry', why: 'token-unavailable' } };
  // 400 invalid_grant, invalid_client, inactive_user: the app, its key or its user; repeating does not help.
  return { failure: failure.kind === 'refused' ? { kind: 'refused', why: 'authentication' } : failure };
}
