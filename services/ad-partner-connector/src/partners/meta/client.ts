import { createHmac } from 'node:crypto';
import { failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { RowsAnswer } from '../../audience-batches.ts';
import { schema, type Row } from './plan.ts';
import type { MetaSettings } from './settings.ts';

const minuteMs = 60_000;

/** Adds or removes rows. Token and proof travel in header and body: URLs end up in logs. */
export function changeUsers(
  settings: MetaSettings,
  method: 'POST' | 'DELETE',
  audience: string,
  rows: readonly Row[],
  now: number,
): HttpRequest {
  const body = JSON.stringify({ payload: { schema, data: rows }, ...proofOf(settings, now) });
  return {
    method,
    url: new URL(`/${settings.version}/${encodeURIComponent(audience)}/users`, settings.baseUrl),
    headers: {
      authorization: `Bearer ${settings.token}`,
      'content-type': 'application/json',
      // Node frames the body of a DELETE only when told its length; unframed, the server answers 400.
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** HMAC-SHA256 keyed with the app secret over `token|timestamp` (partner-apis.md §1). */
function proofOf({ appSecret, token }: MetaSettings, now: number): object {
  if (appSecret === undefined) return {};
  const time = Math.floor(now / 1000);
  const proof = createHmac('sha256', appSecret).update(`${token}|${time}`).digest('hex');
  return { appsecret_proof: proof, appsecret_time: time };
}

/** `error.code` → what it means for us (partner-apis.md §1); the HTTP status says little. */
const transient: ReadonlySet<unknown> = new Set([1, 2, 341, 5000, 21009]);
const throttling: ReadonlySet<unknown> = new Set([4, 17, 613, 80003]);
const missingAudience: ReadonlySet<unknown> = new Set([33, 1487301, 1487366]);
const flaggedAudience = 1713230;

function errorOutcome(answer: Answer): Outcome {
  const error = member(answer.json, 'error');
  const code = member(error, 'code');
  const subcode = member(error, 'error_subcode');
  if (code === undefined) return failureOf(answer, retryAfterMs(answer.headers, 0));
  if (transient.has(code)) return { kind: 'retry', why: 'partner-error' };
  if (throttling.has(code)) return { kind: 'retry', why: 'throttled', ...regainAccess(answer) };
  if (code === 190) return { kind: 'refused', why: 'authentication' };
  if (code === 200 || code === 294) return { kind: 'refused', why: 'permission' };
  if (subcode === flaggedAudience) return { kind: 'refused', why: 'audience-flagged' };
  // An audience that is not there may be a wrong id in our settings: never an acceptance by itself.
  if (missingAudience.has(subcode)) return { kind: 'refused', why: 'audience-missing' };
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

/** All taken, none of it, or some that Meta calls invalid without saying which. */
export function readUsers(answer: Answer, rows: number): RowsAnswer {
  if (answer.status !== 200 || member(answer.json, 'error') !== undefined)
    return { kind: 'all', outcome: errorOutcome(answer) };
  const received = member(answer.json, 'num_received');
  const invalid = member(answer.json, 'num_invalid_entries');
  if (typeof received !== 'number' || typeof invalid !== 'number' || received !== rows)
    return { kind: 'all', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  if (invalid > 0) return { kind: 'some-bad' };
  const session = member(answer.json, 'session_id');
  const reference = typeof session === 'string' || typeof session === 'number' ? String(session) : undefined;
  return { kind: 'all', outcome: { kind: 'applied', ...(reference === undefined ? {} : { reference }) } };
}
