import { randomUUID } from 'node:crypto';
import type { StatusFault } from '../faults.ts';
import type { Answer, Deed } from '../partner.ts';
import type { RateReading } from '../rate-window.ts';

const mediaType = { 'content-type': 'application/vnd.api+json' };

export const document = (status: number, data: unknown, effects: readonly Deed[] = []): Answer => ({
  status,
  headers: mediaType,
  body: { data },
  effects,
});

/** A JSON:API error document; `pointer` names the member that is wrong. */
export const klaviyoError = (status: number, code: string, detail: string, pointer?: string): Answer => ({
  status,
  headers: mediaType,
  body: {
    errors: [
      {
        id: randomUUID(),
        status,
        code,
        title: titles[code] ?? 'Error.',
        detail,
        source: pointer === undefined ? {} : { pointer },
        meta: {},
      },
    ],
  },
});

const titles: Readonly<Record<string, string>> = {
  invalid: 'Invalid input.',
  not_authenticated: 'Authentication credentials were not provided.',
  authentication_failed: 'Incorrect authentication credentials.',
  permission_denied: 'You do not have permission to perform this action.',
  not_found: 'Not found.',
  throttled: 'Request was throttled.',
};

export const invalid = (detail: string, pointer = '/data'): Answer => klaviyoError(400, 'invalid', detail, pointer);

export const notFound = (): Answer => klaviyoError(404, 'not_found', 'A resource with that id does not exist.');

export const unauthenticated = (): Answer =>
  klaviyoError(401, 'authentication_failed', 'Missing or invalid private key.');

export function throttled(waitMs: number | undefined): Answer {
  const seconds = Math.ceil((waitMs ?? 1_000) / 1000);
  const answer = klaviyoError(429, 'throttled', `Request was throttled. Expected available in ${seconds} second.`);
  return { ...answer, headers: { ...mediaType, 'retry-after': String(seconds) } };
}

export function failed(fault: StatusFault): Answer {
  if (fault.code === 429) return throttled(undefined);
  if (fault.code === 401) return unauthenticated();
  if (fault.code === 403) return klaviyoError(403, 'permission_denied', 'The key lacks a scope.');
  if (fault.code === 404) return notFound();
  if (fault.code < 500) return klaviyoError(fault.code, 'invalid', 'Invalid input.');
  return klaviyoError(fault.code, 'error', 'A server error occurred.');
}

/** The window in force; Klaviyo names its steady window in seconds until it starts anew. */
export const rateHeaders = (reading: RateReading | undefined): Readonly<Record<string, string>> =>
  reading === undefined
    ? {}
    : {
        'ratelimit-limit': String(reading.rate.requests),
        'ratelimit-remaining': String(reading.remaining),
        'ratelimit-reset': String(Math.ceil(reading.waitMs / 1000)),
      };
