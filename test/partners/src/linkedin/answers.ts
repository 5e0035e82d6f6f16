import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

/** Rest.li error of the whole request. */
export const linkedInError = (status: number, code: string, message: string): Answer => ({
  status,
  body: { status, code, message },
});

export const unauthorized = (): Answer =>
  linkedInError(401, 'EXPIRED_ACCESS_TOKEN', 'The token used in the request has expired');

export const tooMany = (): Answer =>
  linkedInError(429, 'TOO_MANY_REQUESTS', 'Resource level throttle APPLICATION_AND_MEMBER limit for calls is reached.');

/** Also what a segment that is not ready yet answers (partner-apis.md §7, L1, L4). */
export const unknownSegment = (segment: string): Answer =>
  linkedInError(404, 'NOT_FOUND', `DMP segment ${segment} not found`);

/** The code for a version that is gone is not documented (partner-apis.md §7). */
export const unknownVersion = (version: string): Answer =>
  linkedInError(426, 'NONEXISTENT_VERSION', `Requested version ${version} is not active`);

export const badRequest = (message: string): Answer => linkedInError(400, 'INVALID_REQUEST', message);

export function failed({ code }: StatusFault): Answer {
  if (code === 401) return unauthorized();
  if (code === 403) return linkedInError(403, 'ACCESS_DENIED', 'Not enough permissions to access: dmpSegments');
  if (code === 429) return tooMany();
  return linkedInError(code, code < 500 ? 'INVALID_REQUEST' : 'INTERNAL_SERVER_ERROR', 'Request failed');
}

/** The token endpoint speaks OAuth (RFC 6749 §5.2). */
export const oauthError = (error: string, description: string, status = 400): Answer => ({
  status,
  body: { error, error_description: description },
});
