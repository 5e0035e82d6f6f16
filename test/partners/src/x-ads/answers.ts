import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';
import type { RateReading } from '../rate-window.ts';

/** The window the limits of this API count in (partner-apis.md §6). */
const windowMs = 60_000;

export interface XError {
  readonly code: string;
  readonly message: string;
  readonly parameter?: string;
}

/** Request-level errors, under `errors` (partner-apis.md §6, X1). */
export const xError = (status: number, code: string, message: string): Answer => ({
  status,
  body: { errors: [{ code, message }], request: { params: {} } },
});

/** Item-level errors: one entry per operation, in the order of the request. */
export const operationErrors = (perOperation: readonly (readonly XError[])[]): Answer => ({
  status: 400,
  body: { operation_errors: perOperation, request: { params: {} } },
});

export const unauthorized = (): Answer =>
  xError(401, 'UNAUTHORIZED_ACCESS', 'This request is not properly authenticated');

export const unknownAudience = (audience: string): Answer =>
  xError(404, 'NOT_FOUND', `Custom audience with id '${audience}' was not found`);

export const unknownAccount = (account: string): Answer =>
  xError(404, 'NOT_FOUND', `Account with id '${account}' was not found`);

/** 429; when the window ends is in a header, in seconds of the real time, which clients compare with their own. */
export function tooMany(waitMs = windowMs): Answer {
  const reset = String(Math.ceil((Date.now() + waitMs) / 1_000));
  return {
    ...xError(429, 'TOO_MANY_REQUESTS', 'Rate limit exceeded'),
    headers: { 'x-rate-limit-limit': '1500', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': reset },
  };
}

export function rateHeaders(reading: RateReading | undefined): Readonly<Record<string, string>> {
  if (reading === undefined) return {};
  return {
    'x-rate-limit-limit': String(reading.rate.requests),
    'x-rate-limit-remaining': String(reading.remaining),
    'x-rate-limit-reset': String(Math.ceil((Date.now() + reading.waitMs) / 1_000)),
  };
}

export function failed({ code }: StatusFault): Answer {
  if (code === 401) return unauthorized();
  if (code === 403) return xError(403, 'FORBIDDEN', 'This client application is not allowed to use the Ads API');
  if (code === 429) return tooMany();
  if (code < 500) return xError(code, 'INVALID_PARAMETER', 'Request failed');
  return code === 503
    ? xError(503, 'OVER_CAPACITY', 'The Ads API is temporarily over capacity')
    : xError(code, 'INTERNAL_ERROR', 'An internal error occurred');
}
