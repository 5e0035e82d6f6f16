import { randomUUID } from 'node:crypto';
import { iso } from '../clock.ts';
import type { StatusFault } from '../faults.ts';
import type { Answer } from '../partner.ts';
import type { RateReading } from '../rate-window.ts';

/** partner-apis.md §10.2: private apps on Pro/Enterprise, calls per day. */
const dailyLimit = 650_000;
/** Window of HubSpot's burst limit, policy TEN_SECONDLY_ROLLING. */
const burstMs = 10_000;

export interface ErrorDetail {
  readonly message: string;
  readonly in?: string;
  readonly code?: string;
}

export const hubspotError = (
  status: number,
  category: string,
  message: string,
  errors: readonly ErrorDetail[] = [],
): Answer => ({
  status,
  body: { status: 'error', message, correlationId: randomUUID(), category, errors, context: {}, links: {} },
});

export const invalid = (message: string, errors: readonly ErrorDetail[] = []): Answer =>
  hubspotError(400, 'VALIDATION_ERROR', message, errors.length > 0 ? errors : [{ message }]);

export const invalidEmail = (email: string): Answer =>
  invalid(`Email address ${email} is invalid`, [
    { message: `Email address ${email} is invalid`, in: 'subscriberIdString' },
  ]);

/** The error object inside a 200 or 207 (StandardError of the specification). */
export const itemError = (category: string, message: string, ids: readonly string[]): object => ({
  status: 'error',
  category,
  message,
  errors: [],
  context: { ids },
  links: {},
});

/** The envelope of every answer with results; with errors it also counts them. */
export function results(nowMs: number, found: readonly object[], errors: readonly object[] = []): object {
  const times = { startedAt: iso(nowMs), completedAt: iso(nowMs) };
  const complete = { status: 'COMPLETE', results: found, ...times };
  return errors.length === 0 ? complete : { ...complete, numErrors: errors.length, errors };
}

export const unauthenticated = (): Answer =>
  hubspotError(
    401,
    'INVALID_AUTHENTICATION',
    'Authentication credentials not found. This API supports OAuth 2.0 authentication.',
  );

export const expired = (): Answer =>
  hubspotError(401, 'EXPIRED_AUTHENTICATION', 'The OAuth token used to make this call expired.');

export function throttled(waitMs: number | undefined, policyName = 'TEN_SECONDLY_ROLLING'): Answer {
  const message = `You have reached your ${policyName === 'DAILY' ? 'daily' : policyName.toLowerCase()} limit.`;
  const ids = { correlationId: randomUUID(), requestId: randomUUID() };
  return {
    status: 429,
    headers: {
      'x-hubspot-ratelimit-remaining': '0',
      'x-hubspot-ratelimit-interval-milliseconds': String(waitMs ?? burstMs),
    },
    body: { status: 'error', message, errorType: 'RATE_LIMIT', policyName, ...ids },
  };
}

export function failed(fault: StatusFault): Answer {
  if (fault.code === 429) return throttled(undefined);
  if (fault.code === 401) return expired();
  if (fault.code === 403)
    return hubspotError(403, 'MISSING_SCOPES', "This app hasn't been granted all required scopes.");
  if (fault.code === 404) return hubspotError(404, 'OBJECT_NOT_FOUND', 'resource not found');
  if (fault.code < 500) return hubspotError(fault.code, 'VALIDATION_ERROR', 'Invalid input');
  return hubspotError(fault.code, 'INTERNAL_ERROR', 'There was a problem with the request.');
}

/** Daily headers always; burst headers only where a burst limit is in force, lest a client pace itself by fiction. */
export function rateHeaders(reading: RateReading | undefined, callsToday: number): Readonly<Record<string, string>> {
  const daily = {
    'x-hubspot-ratelimit-daily': String(dailyLimit),
    'x-hubspot-ratelimit-daily-remaining': String(Math.max(0, dailyLimit - callsToday)),
  };
  if (reading === undefined) return daily;
  return {
    ...daily,
    'x-hubspot-ratelimit-max': String(reading.rate.requests),
    'x-hubspot-ratelimit-remaining': String(reading.remaining),
    'x-hubspot-ratelimit-interval-milliseconds': String(reading.rate.perMs),
  };
}
