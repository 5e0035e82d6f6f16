import {
  failureOf,
  member,
  retryAfterMs,
  type Answer,
  type ConfirmationOutcome,
  type Outcome,
} from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { SegmentEvent } from './plan.ts';
import type { SegmentSettings } from './settings.ts';

const publicMediaType = 'application/vnd.segment.v1+json';

/** Events of one batch request; the key travels as the user of HTTP Basic. */
export const batchOf = (settings: SegmentSettings, events: readonly SegmentEvent[]): HttpRequest => ({
  method: 'POST',
  url: new URL('/v1/batch', settings.trackUrl),
  headers: {
    authorization: `Basic ${Buffer.from(`${settings.writeKey}:`).toString('base64')}`,
    'content-type': 'application/json',
  },
  body: JSON.stringify({ batch: events }),
});

export type RegulationType = 'SUPPRESS_ONLY' | 'UNSUPPRESS';

export const regulationOf = (
  settings: SegmentSettings,
  regulationType: RegulationType,
  userIds: readonly string[],
): HttpRequest => ({
  method: 'POST',
  url: new URL(
    settings.sourceId === undefined ? '/regulations' : `/regulations/sources/${encodeURIComponent(settings.sourceId)}`,
    settings.apiUrl,
  ),
  headers: {
    authorization: `Bearer ${settings.token}`,
    'content-type': publicMediaType,
    accept: publicMediaType,
  },
  body: JSON.stringify({ regulationType, subjectType: 'USER_ID', subjectIds: userIds }),
});

export const showRegulation = (settings: SegmentSettings, id: string): HttpRequest => ({
  method: 'GET',
  url: new URL(`/regulations/${encodeURIComponent(id)}`, settings.apiUrl),
  headers: { authorization: `Bearer ${settings.token}`, accept: publicMediaType },
});

const refusalOf = (answer: Answer): Outcome => failureOf(answer, retryAfterMs(answer.headers, 0));

/** Only 200 with `{"success":true}` is an acceptance; 200 with `false` is Segment's way of saying no. */
export function readBatch(answer: Answer): Outcome {
  if (answer.status !== 200) return refusalOf(answer);
  const success = member(answer.json, 'success');
  if (success === true) return { kind: 'applied' };
  return success === false ? { kind: 'retry', why: 'not-accepted' } : { kind: 'unclear', why: 'unexpected-answer' };
}

export function readRegulation(answer: Answer): Outcome {
  if (answer.status !== 200 && answer.status !== 201) return refusalOf(answer);
  const reference = member(member(answer.json, 'data'), 'regulateId');
  return typeof reference === 'string' && reference !== ''
    ? { kind: 'applied', reference }
    : { kind: 'unclear', why: 'unexpected-answer' };
}

/** How far a regulation has come (partner-apis.md §11); whatever ended without having run whole must run again. */
export function readRegulationStatus(answer: Answer): ConfirmationOutcome {
  if (answer.status === 404) return { kind: 'failed', why: 'regulation-not-found' };
  if (answer.status !== 200) {
    const refusal = refusalOf(answer);
    return refusal.kind === 'retry' || refusal.kind === 'refused' ? refusal : unexpected;
  }
  switch (member(member(member(answer.json, 'data'), 'regulation'), 'overallStatus')) {
    case 'FINISHED':
      return { kind: 'confirmed' };
    case 'INITIALIZED':
    case 'INVALIDATED':
    case 'NOT_SUPPORTED':
    case 'RUNNING':
      return { kind: 'pending' };
    case 'FAILED':
    case 'PARTIAL_SUCCESS':
      return { kind: 'failed', why: 'regulation-failed' };
    default:
      return unexpected;
  }
}

const unexpected = { kind: 'unclear', why: 'unexpected-answer' } as const;
