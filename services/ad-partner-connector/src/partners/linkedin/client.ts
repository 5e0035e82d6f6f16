import {
  elements,
  failureOf,
  member,
  retryAfterMs,
  tokenRequest,
  type Answer,
  type Outcome,
} from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { badIdentifier, type RowsAnswer } from '../../audience-batches.ts';
import type { LinkedInSettings } from './settings.ts';

/** A new segment takes its first members after a few seconds, seen up to two minutes (partner-apis.md §7). */
const segmentNotReady: Outcome = { kind: 'retry', why: 'segment-not-ready', afterMs: 5_000 };

/** One element per hash: LinkedIn answers each with a status of its own. */
export function changeUsers(
  settings: LinkedInSettings,
  token: string,
  action: 'ADD' | 'REMOVE',
  segment: string,
  hashes: readonly string[],
): HttpRequest {
  const body = JSON.stringify({
    elements: hashes.map((idValue) => ({ action, userIds: [{ idType: 'SHA256_EMAIL', idValue }] })),
  });
  return {
    method: 'POST',
    url: new URL(`/rest/dmpSegments/${encodeURIComponent(segment)}/users`, settings.baseUrl),
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'linkedin-version': settings.version,
      'x-restli-protocol-version': '2.0.0',
      'x-restli-method': 'BATCH_CREATE',
    },
    body,
  };
}

/** RFC 6749 §6. */
export const refreshGrant = ({ tokenUrl, refreshToken, clientId, clientSecret }: LinkedInSettings): HttpRequest =>
  tokenRequest(tokenUrl, {
    grant_type: 'refresh_token',
    refresh_token: refreshToken ?? '',
    client_id: clientId ?? '',
    client_secret: clientSecret ?? '',
  });

/** A 2xx says nothing by itself: the statuses of its elements do, in the order of the request (partner-apis.md §7, L1). */
export function readUsers(answer: Answer, asked: number, now: number): RowsAnswer {
  if (answer.status < 200 || answer.status >= 300) return { kind: 'all', outcome: errorOutcome(answer, now) };
  const answered = elements(member(answer.json, 'elements'));
  if (answered.length !== asked) return { kind: 'all', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  return { kind: 'each', outcomes: answered.map((element) => elementOutcome(member(element, 'status'))) };
}

/** 201 also where the hash was there, or gone, already: LinkedIn says so by design (partner-apis.md §7, L2). */
function elementOutcome(status: unknown): Outcome {
  if (status === 201) return { kind: 'applied' };
  if (status === 400 || status === 422) return badIdentifier;
  if (status === 404) return segmentNotReady;
  if (typeof status !== 'number') return { kind: 'unclear', why: 'unexpected-answer' };
  return failureOf({ status, headers: {}, json: undefined });
}

function errorOutcome(answer: Answer, now: number): Outcome {
  if (answer.status === 404) return segmentNotReady;
  // What LinkedIn says of a version that has been switched off (unverified).
  if (answer.status === 426) return { kind: 'refused', why: 'api-version' };
  return failureOf(answer, retryAfterMs(answer.headers, now));
}
