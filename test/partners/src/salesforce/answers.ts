import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

/** Errors of a request are a list (partner-apis.md §10.1, S4). */
export const salesforceErrors = (status: number, errorCode: string, message: string): Answer => ({
  status,
  body: [{ message, errorCode }],
});

export const malformed = (message: string): Answer => salesforceErrors(400, 'JSON_PARSER_ERROR', message);

export const notFound = (): Answer => salesforceErrors(404, 'NOT_FOUND', 'The requested resource does not exist');

export const sessionInvalid = (): Answer => salesforceErrors(401, 'INVALID_SESSION_ID', 'Session expired or invalid');

/** 403, not 429, and no pause is named. `DAILY` is the limit of a rolling day, else that of concurrent requests. */
export const limitExceeded = (policyName?: string): Answer =>
  salesforceErrors(
    403,
    'REQUEST_LIMIT_EXCEEDED',
    policyName === 'DAILY'
      ? 'TotalRequests Limit exceeded.'
      : 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.',
  );

export function failed({ code }: StatusFault): Answer {
  if (code === 401) return sessionInvalid();
  if (code === 403) return salesforceErrors(403, 'FORBIDDEN', 'You do not have the required permission');
  if (code === 404) return notFound();
  if (code === 503) return salesforceErrors(503, 'SERVER_UNAVAILABLE', 'The server is unavailable to process requests');
  return salesforceErrors(code, code < 500 ? 'BAD_REQUEST' : 'UNKNOWN_EXCEPTION', 'An unexpected error occurred');
}

/** The token endpoint speaks OAuth (RFC 6749 §5.2). */
export const oauthError = (error: string, description: string, status = 400): Answer => ({
  status,
  body: { error, error_description: description },
});

/** One record of a collection; `statusCode` is where a whole request has `errorCode`. */
export interface RecordResult {
  readonly id?: string;
  readonly success: boolean;
  readonly created?: boolean;
  readonly errors: readonly RecordError[];
}

interface RecordError {
  readonly statusCode: string;
  readonly message: string;
  readonly fields: readonly string[];
}

export const recordFailure = (statusCode: string, message: string, fields: readonly string[] = []): RecordResult => ({
  success: false,
  errors: [{ statusCode, message, fields }],
});
