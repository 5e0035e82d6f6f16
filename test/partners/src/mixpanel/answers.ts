import type { StatusFault } from '../faults.ts';
import { parsed } from '../narrow.ts';
import type { Answer, Deed, PartnerRequest } from '../partner.ts';

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  413: 'Request Entity Too Large',
  429: 'Too Many Requests',
};

/** `/import` speaks in its own shape, the application API and `/engage` in another (openapi of mixpanel/docs). */
export const mixpanelError = (op: string, code: number, error: string): Answer =>
  op === 'events.import'
    ? { status: code, body: { code, error, status: reasons[code] ?? 'Internal Server Error' } }
    : { status: code, body: { error, status: 'error' } };

/**
 * `/track` and `/engage` answer 200 whatever was found: `1` or `0`, and with `verbose=1` an object that says why.
 * ("This API will return a 200 OK even if there are data validation issues", reference of `/engage`.)
 */
export function received(request: PartnerRequest, error: string | null, effects: readonly Deed[] = []): Answer {
  const status = error === null ? 1 : 0;
  return { status: 200, body: isVerbose(request) ? { status, error } : status, effects: status === 1 ? effects : [] };
}

const isVerbose = ({ query }: PartnerRequest): boolean => query.get('verbose') === '1';

export const unauthorized = (op: string): Answer => mixpanelError(op, 401, 'Invalid credentials');

/** Retry-After is not documented; the seconds are sent where a test asks for them. */
export function throttled(op: string, waitMs: number | undefined): Answer {
  const answer = mixpanelError(
    op,
    429,
    'Project exceeded rate limits. Please retry the request with exponential backoff.',
  );
  return waitMs === undefined ? answer : { ...answer, headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } };
}

export function failed(op: string, { code }: StatusFault): Answer {
  if (code === 401) return unauthorized(op);
  return code === 429 ? throttled(op, undefined) : mixpanelError(op, code, `Request failed with ${code}`);
}

/** Records come as a JSON list, or as the official SDK sends them: `data=` and Base64, in the body or in the query. */
export function recordsIn(request: PartnerRequest): readonly unknown[] | undefined {
  const form = new URLSearchParams(request.raw.startsWith('data=') ? request.raw.replaceAll('+', '%2B') : '');
  const packed = form.get('data') ?? request.query.get('data');
  const value = parsed(packed === null ? request.raw : Buffer.from(packed, 'base64').toString('utf8'));
  if (Array.isArray(value)) return value as readonly unknown[];
  return typeof value === 'object' && value !== null ? [value] : undefined;
}
