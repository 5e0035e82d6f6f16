import { elements, failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { Deletion, Payload } from './plan.ts';
import type { Ga4Settings, PropertyOfPurpose } from './settings.ts';

type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

const json = { 'content-type': 'application/json' };

/** Google wants the secret of a stream in the URL. */
export function collectRequest(settings: Ga4Settings, property: PropertyOfPurpose, payload: Payload): HttpRequest {
  const url = new URL('/mp/collect', settings.collectUrl);
  const { measurementId, apiSecret } = property;
  url.search = new URLSearchParams({ measurement_id: measurementId, api_secret: apiSecret }).toString();
  return { method: 'POST', url, headers: json, body: JSON.stringify(payload) };
}

/** Scope of the access token by the API that deletes (partner-apis.md §12, A1 and A3). */
export const scopeOf = ({ deletionApi }: Ga4Settings): string =>
  deletionApi === 'user-deletion-v3'
    ? 'https://www.googleapis.com/auth/analytics.user.deletion'
    : 'https://www.googleapis.com/auth/analytics.edit';

export function deletionRequest(settings: Ga4Settings, token: string, deletion: Deletion): HttpRequest {
  const { propertyId, type, id } = deletion;
  const v3 = settings.deletionApi === 'user-deletion-v3';
  const body = v3
    ? { kind: 'analytics#userDeletionRequest', id: { type, userId: id }, propertyId }
    : { [type === 'USER_ID' ? 'userId' : 'clientId']: id };
  return {
    method: 'POST',
    url: v3
      ? new URL('/analytics/v3/userDeletion/userDeletionRequests:upsert', settings.userDeletionUrl)
      : new URL(`/v1alpha/properties/${propertyId}:submitUserDeletion`, settings.adminUrl),
    headers: { ...json, authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  };
}

/**
 * The Measurement Protocol answers 2xx whatever it was sent (partner-apis.md §0.2): that much makes a share sent. It is no
 * word of Google's about anything, so no revocation is ever accepted on it.
 */
export function readCollect(answer: Answer): Outcome {
  if (answer.status >= 200 && answer.status < 300) return { kind: 'applied' };
  return failureOf(answer, retryAfterMs(answer.headers, 0));
}

/** Over a day's 500 deletions nothing helps but time; shares go on meanwhile, so it is not called throttled. */
const dayQuotaMs = 3_600_000;
/** 1.5 deletions per second and property (partner-apis.md §12, A2). */
const rateMs = 1_000;

/** Accepted is the time from which the deletion counts, for the very identifier that was asked about. */
export function readDeletion(answer: Answer, { deletionApi }: Ga4Settings, deletion: Deletion): Outcome {
  if (answer.status !== 200) return refusalOf(answer);
  const time = member(answer.json, 'deletionRequestTime');
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) return { kind: 'unclear', why: 'unexpected-answer' };
  if (deletionApi === 'user-deletion-v3') {
    const echoed = member(answer.json, 'id');
    const same =
      member(echoed, 'type') === deletion.type &&
      member(echoed, 'userId') === deletion.id &&
      String(member(answer.json, 'propertyId')) === deletion.propertyId;
    if (!same) return { kind: 'unclear', why: 'unexpected-answer' };
  }
  return { kind: 'applied', reference: time };
}

function refusalOf(answer: Answer): Failure {
  const asked = retryAfterMs(answer.headers, 0);
  const error = member(answer.json, 'error');
  const [first] = elements(member(error, 'errors'));
  const reason = member(first, 'reason');
  switch (reason) {
    case 'dailyLimitExceeded':
    case 'quotaExceeded':
      return { kind: 'retry', why: 'daily-quota', afterMs: asked ?? dayQuotaMs };
    case 'rateLimitExceeded':
    case 'userRateLimitExceeded':
      return { kind: 'retry', why: 'throttled', afterMs: asked ?? rateMs };
    case 'invalidParameter':
      return { kind: 'refused', why: member(first, 'location') === 'id.userId' ? 'invalid-identifier' : 'rejected' };
    default:
      return failureOf(answer, asked);
  }
}
