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

/** Renewed this long before its end, so that no call in flight outlives it. */
const renewAheadMs = 60_000;

interface Held {
  readonly token: string;
  /** Wall time in milliseconds. */
  readonly renewAt: number;
}

/** Why there is no token: nothing about a person was sent. */
type TokenFailure = Extract<Outcome, { kind: 'retry' | 'refused' }>;

/** Sends with an account's access token; where the server refuses it, once more with a new one. */
export type WithToken<S extends object> = <T, O extends Outcome | ShareOutcome>(
  context: PartnerContext<S>,
  items: readonly T[],
  send: (token: string, items: T[]) => Promise<O[]>,
) => Promise<(O | TokenFailure)[]>;

/** One access token per configured account, kept until shortly before its end; `grant` asks for one (RFC 6749). */
export function accessTokens<S extends object>(
  grant: (settings: S, now: number) => HttpRequest | Promise<HttpRequest>,
): WithToken<S> {
  const held = new WeakMap<S, Held>();

  const tokenOf = async (context: PartnerContext<S>): Promise<{ readonly token: string } | FailedGrant> => {
    const { settings } = context;
    const now = context.now();
    const kept = held.get(settings);
    if (kept !== undefined && now < kept.renewAt) return kept;
    const result = answerOf(await context.call(await grant(settings, now)));
    if ('failure' in result) return { failure: withoutAnswer(result.failure, 'token-unavailable') };
    const granted = readGrant(result.answer, now);
    if (!('failure' in granted)) held.set(settings, granted);
    return granted;
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

interface FailedGrant {
  readonly failure: TokenFailure;
}

const isUnauthenticated = (outcome: Outcome | ShareOutcome | undefined): boolean =>
  outcome?.kind === 'refused' && outcome.why === 'authentication';

/** A form, as every token endpoint takes it (RFC 6749 §4). */
export function tokenRequest(url: string, fields: Readonly<Record<string, string>>): HttpRequest {
  const body = new URLSearchParams(fields).toString();
  return {
    method: 'POST',
    url: new URL(url),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** RFC 6749 §5.1 and §5.2. */
export function readGrant(answer: Answer, now: number): Held | FailedGrant {
  const token = member(answer.json, 'access_token');
  const seconds = member(answer.json, 'expires_in');
  if (answer.status === 200 && typeof token === 'string' && token !== '' && typeof seconds === 'number')
    return { token, renewAt: now + seconds * 1000 - renewAheadMs };
  const failure = failureOf(answer);
  if (failure.kind === 'unclear') return { failure: { kind: 'retry', why: 'token-unavailable' } };
  // 400 invalid_grant, invalid_client, unauthorized_client: the account or its key is wrong, repeating does not help.
  return { failure: failure.kind === 'refused' ? { kind: 'refused', why: 'authentication' } : failure };
}
