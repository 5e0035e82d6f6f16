import { randomUUID } from 'node:crypto';
import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

const type = (name: string): string => `type.googleapis.com/google.rpc.${name}`;

/** google.rpc.Code names by HTTP status, as Google's REST front end writes them. */
const statusNames: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

export interface FieldViolation {
  /** Path in the request, in the names of the protocol buffers: `audience_members[0].user_data…`. */
  readonly field: string;
  readonly description: string;
  readonly reason: string;
}

/** `{"error":{code,message,status,details}}` (partner-apis.md §3, G8). */
export function googleError(code: number, message: string, details: readonly object[] = []): Answer {
  const status = statusNames[code] ?? (code < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL');
  return { status: code, body: { error: { code, message, status, ...(details.length > 0 ? { details } : {}) } } };
}

const errorInfo = (reason: string, metadata: object): object => ({
  '@type': type('ErrorInfo'),
  reason,
  domain: 'datamanager.googleapis.com',
  metadata,
});

/** Fast-fail: one such violation and nothing of the request is done (partner-apis.md §3, G5). */
export const invalid = (...fieldViolations: readonly FieldViolation[]): Answer =>
  googleError(400, 'There was a problem with the request.', [
    errorInfo('INVALID_ARGUMENT', { requestId: randomUUID() }),
    { '@type': type('BadRequest'), fieldViolations },
  ]);

/** Not JSON, or JSON of another shape: the front end's own refusal, which names no record. */
export const unreadable = (what: string): Answer =>
  googleError(400, `Invalid JSON payload received. ${what}`, [
    { '@type': type('BadRequest'), fieldViolations: [{ description: `Invalid JSON payload received. ${what}` }] },
  ]);

export const unauthenticated = (): Answer =>
  googleError(401, 'Request had invalid authentication credentials. Expected OAuth 2 access token.', [
    errorInfo('ACCESS_TOKEN_EXPIRED', {}),
  ]);

/** 429 with the quota's name; Google asks for no particular pause (partner-apis.md §3, G3). */
export const exhausted = (): Answer =>
  googleError(429, 'Quota exceeded for quota metric.', [
    errorInfo('RATE_LIMIT_EXCEEDED', {
      service: 'datamanager.googleapis.com',
      quota_limit: 'IngestionRequestsPerMinutePerProject',
    }),
  ]);

export const unknownRequest = (): Answer => googleError(404, 'Requested entity was not found.');

export function failed({ code }: StatusFault): Answer {
  if (code === 401) return unauthenticated();
  if (code === 429) return exhausted();
  return googleError(code, code >= 500 ? 'The service is currently unavailable.' : 'Request failed.');
}

/** The token endpoint speaks OAuth (RFC 6749 §5.2), not google.rpc. */
export const oauthError = (error: string, description: string, status = 400): Answer => ({
  status,
  body: { error, error_description: description },
});
