import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

/** `{"type","code","detail","attr"}`, of the capture service and of the application alike. */
export const posthogError = (
  status: number,
  type: string,
  code: string,
  detail: string,
  attr: string | null = null,
): Answer => ({
  status,
  body: { type, code, detail, attr },
});

export const invalid = (detail: string, attr: string | null = null): Answer =>
  posthogError(400, 'validation_error', 'invalid_input', detail, attr);

export const unauthenticated = (op: string): Answer =>
  op === captureOp
    ? posthogError(401, 'authentication_error', 'invalid_api_key', 'Project API key invalid.')
    : posthogError(
        401,
        'authentication_error',
        'authentication_failed',
        'Personal API key found in request Authorization header is invalid.',
      );

export const forbidden = (): Answer =>
  posthogError(403, 'permission_error', 'permission_denied', "You don't have access to the project.");

export const notFound = (): Answer => posthogError(404, 'invalid_request', 'not_found', 'Endpoint not found.');

export function throttled(waitMs = 1_000): Answer {
  const seconds = Math.ceil(waitMs / 1000);
  const detail = `Request was throttled. Expected available in ${seconds} seconds.`;
  return { ...posthogError(429, 'throttled_error', 'throttled', detail), headers: { 'retry-after': String(seconds) } };
}

export function failed(op: string, { code }: StatusFault): Answer {
  if (code === 401) return unauthenticated(op);
  if (code === 403) return forbidden();
  if (code === 404) return notFound();
  if (code === 429) return throttled();
  return posthogError(code, code < 500 ? 'validation_error' : 'server_error', 'error', 'A server error occurred.');
}

export const captureOp = 'capture.batch';
