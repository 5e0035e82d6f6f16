import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';

export const publicMediaType = 'application/vnd.segment.v1+json';

/** Pause named when nothing says another: whole seconds, as both headers count. */
const defaultWaitMs = 1_000;

export const trackingError = (status: number, message: string): Answer => ({
  status,
  body: { success: false, message },
});

export const publicAnswer = (status: number, data: unknown): Answer => ({
  status,
  headers: { 'content-type': publicMediaType },
  body: { data },
});

export const publicError = (status: number, type: string, message: string, field?: string): Answer => ({
  status,
  headers: { 'content-type': publicMediaType },
  body: { errors: [{ type, message, ...(field === undefined ? {} : { field }), data: null, status }] },
});

/** Operations of the Tracking API are named `track.*`, the rest belong to the Public API. */
export const isTracking = (op: string): boolean => op.startsWith('track.');

export const segmentError = (op: string, status: number, type: string, message: string): Answer =>
  isTracking(op) ? trackingError(status, message) : publicError(status, type, message);

/** Tracking API docs, "Rate limits": both headers hold the seconds after which to retry. */
export function throttled(op: string, waitMs = defaultWaitMs): Answer {
  const seconds = String(Math.ceil(waitMs / 1000));
  const headers = { 'retry-after': seconds, 'x-ratelimit-reset': seconds };
  const answer = segmentError(op, 429, 'too-many-requests', 'Too many requests');
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

export const expired = (op: string): Answer => segmentError(op, 401, 'unauthorized', 'Unauthorized');

export function failed(op: string, fault: StatusFault): Answer {
  if (fault.code === 429) return throttled(op);
  if (fault.code === 401) return expired(op);
  return segmentError(op, fault.code, fault.code < 500 ? 'bad-request' : 'server', `Request failed with ${fault.code}`);
}
