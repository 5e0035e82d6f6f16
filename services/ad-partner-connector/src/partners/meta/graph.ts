import { createHmac } from 'node:crypto';
import { failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';

const minuteMs = 60_000;

/** How the Graph API is reached, whatever is asked of it. */
export interface GraphAccess {
  readonly baseUrl: string;
  readonly version: string;
  readonly token: string;
  readonly appSecret?: string;
}

/** A call of the Graph API. Token and proof travel in header and body: URLs end up in logs. */
export function graphRequest(
  access: GraphAccess,
  method: 'POST' | 'DELETE',
  path: string,
  content: object,
  now: number,
): HttpRequest {
  const body = JSON.stringify({ ...content, ...proofOf(access, now) });
  return {
    method,
    url: new URL(`/${access.version}/${path}`, access.baseUrl),
    headers: {
      authorization: `Bearer ${access.token}`,
      'content-type': 'application/json',
      // Node frames the body of a DELETE only when told its length; unframed, the server answers 400.
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** HMAC-SHA256 keyed with the app secret over `token|timestamp` (partner-apis.md §1). */
function proofOf({ appSecret, token }: GraphAccess, now: number): object {
  if (appSecret === undefined) return {};
  const time = Math.floor(now / 1000);
  const proof = createHmac('sha256', appSecret).update(`${token}|${time}`).digest('hex');
  return { appsecret_proof: proof, appsecret_time: time };
}

/** `error.code` → what it means for us (partner-apis.md §1); the HTTP status says little. */
const transient: ReadonlySet<unknown> = new Set([1, 2, 341, 5000, 21009]);
const throttling: ReadonlySet<unknown> = new Set([4, 17, 613, 80003]);
const missingObject: ReadonlySet<unknown> = new Set([33, 1487301, 1487366]);
const flaggedAudience = 1713230;

export function errorOutcome(answer: Answer, missing = 'audience-missing'): Outcome {
  const error = member(answer.json, 'error');
  const code = member(error, 'code');
  const subcode = member(error, 'error_subcode');
  if (code === undefined) return failureOf(answer, retryAfterMs(answer.headers, 0));
  if (transient.has(code)) return { kind: 'retry', why: 'partner-error' };
  if (throttling.has(code)) return { kind: 'retry', why: 'throttled', ...regainAccess(answer) };
  if (code === 190) return { kind: 'refused', why: 'authentication' };
  if (code === 200 || code === 294) return { kind: 'refused', why: 'permission' };
  if (subcode === flaggedAudience) return { kind: 'refused', why: 'audience-flagged' };
  // What is not there may be a wrong id in our settings: never an acceptance by itself.
  if (missingObject.has(subcode)) return { kind: 'refused', why: missing };
  return { kind: 'refused', why: 'rejected' };
}

/** The longest `estimated_time_to_regain_access`, in minutes there, over all accounts and limits the header names. */
function regainAccess({ headers }: Answer): { afterMs?: number } {
  const header = headers['x-business-use-case-usage'];
  if (header === undefined) return {};
  try {
    const usage = Object.values(JSON.parse(header) as Record<string, unknown>).flat();
    const minutes = usage.map((limit) => Number(member(limit, 'estimated_time_to_regain_access') ?? 0));
    const longest = Math.max(0, ...minutes.filter(Number.isFinite));
    return longest > 0 ? { afterMs: longest * minuteMs } : {};
  } catch {
    // A header we cannot read asks for nothing; backoff does the rest.
    return {};
  }
}
