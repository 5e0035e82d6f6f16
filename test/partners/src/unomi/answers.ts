import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

/** Unomi's mapper of InvalidRequestException: plain text, no JSON. */
export const invalid = (): Answer => ({
  status: 400,
  headers: { 'content-type': 'text/plain' },
  body: 'Request rejected by the server because: Invalid received data',
});

/** Thrown where a request names neither profile nor session (RestServiceUtilsImpl). */
export const nobody = (): Answer => ({ status: 400 });

/** 3.1: `X-Unomi-Api-Key` missing or wrong; before, the private calls without Basic credentials. */
export const unauthenticated = (): Answer => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="cxs"' } });

export const notFound = (): Answer => ({ status: 404 });

export const tooLarge = (): Answer => ({ status: 413 });

/** Unomi documents no rate limit: this is the proxy in front of it. */
export const throttled = (waitMs: number | undefined): Answer => ({
  status: 429,
  headers: { 'retry-after': String(Math.ceil((waitMs ?? 1_000) / 1000)) },
});

export function failed(fault: StatusFault): Answer {
  if (fault.code === 429) return throttled(undefined);
  if (fault.code === 401) return unauthenticated();
  if (fault.code === 400) return invalid();
  if (fault.code >= 500) return { status: fault.code, body: { errorMessage: 'internalServerError' } };
  return { status: fault.code };
}
