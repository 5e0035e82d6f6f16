import { elements, failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import type { RowsAnswer } from '../../audience-batches.ts';
import { authorization, type Occasion } from './signature.ts';
import type { XAdsSettings } from './settings.ts';

/** One operation per person, so that an item-level error names the person. A user object per hash: X counts them. */
export function changeUsers(
  settings: XAdsSettings,
  operation: 'Update' | 'Delete',
  audience: string,
  persons: readonly (readonly string[])[],
  occasion: Occasion,
): HttpRequest {
  const { version, accountId, baseUrl } = settings;
  const path = `/${version}/accounts/${accountId}/custom_audiences/${encodeURIComponent(audience)}/users`;
  const url = new URL(path, baseUrl);
  const body = JSON.stringify(
    persons.map((emails) => ({
      operation_type: operation,
      params: { users: emails.map((email) => ({ email: [email] })) },
    })),
  );
  return {
    method: 'POST',
    url,
    headers: {
      authorization: authorization('POST', url, settings, occasion),
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

export interface Asked {
  readonly persons: number;
  /** User objects in the request. */
  readonly users: number;
}

/** Of all persons of a request the same, or which of them X calls wrong (and none was done). */
export function readUsers(answer: Answer, { persons, users }: Asked, now: number): RowsAnswer {
  // Item-level errors stand in the order of the request (partner-apis.md §6, X1).
  const perOperation = elements(member(answer.json, 'operation_errors'));
  const indexes = new Set(
    perOperation.flatMap((errors, index) => (hasErrors(errors) && index < persons ? [index] : [])),
  );
  if (indexes.size > 0) return { kind: 'bad-rows', indexes };
  const errors = elements(member(answer.json, 'errors'));
  if (answer.status >= 200 && answer.status < 300)
    return { kind: 'all', outcome: errors.length > 0 ? unexpected : countedOutcome(answer, users) };
  // A refusal without a word: worth finding out whether one person is behind it, so that it blocks no other.
  if (answer.status === 400 && errors.length === 0 && answer.json !== undefined) return { kind: 'some-bad' };
  return { kind: 'all', outcome: errorOutcome(answer, errors, now) };
}

const hasErrors = (errors: unknown): boolean =>
  Array.isArray(errors) ? errors.length > 0 : typeof errors === 'object' && errors !== null;

const unexpected: Outcome = { kind: 'unclear', why: 'unexpected-answer' };

/** "Where the number of records sent is not equal to both counts: an error condition, requiring a retry" (X1). */
function countedOutcome(answer: Answer, users: number): Outcome {
  const data = member(answer.json, 'data');
  const [success, total] = [member(data, 'success_count'), member(data, 'total_count')];
  if (typeof success !== 'number' || typeof total !== 'number') return unexpected;
  return success === users && total === users ? { kind: 'applied' } : { kind: 'retry', why: 'counts-differ' };
}

function errorOutcome(answer: Answer, errors: readonly unknown[], now: number): Outcome {
  const { status, headers } = answer;
  if (status === 429) return { kind: 'retry', why: 'throttled', ...untilReset(headers, now) };
  if (status === 404 && errors.some((error) => member(error, 'code') === 'NOT_FOUND'))
    // An account or audience that is not there may be a wrong id in our settings: never an acceptance by itself.
    return { kind: 'refused', why: 'audience-missing' };
  if (status === 400) return { kind: 'refused', why: 'rejected' };
  return failureOf(answer, retryAfterMs(headers, now));
}

/** Seconds since 1970 at which the window ends, of the application and of the account (partner-apis.md §6, X3). */
function untilReset(headers: Answer['headers'], now: number): { afterMs?: number } {
  const resets = ['x-rate-limit', 'x-account-rate-limit'].flatMap((limit) => {
    const [remaining, reset] = [headers[`${limit}-remaining`], headers[`${limit}-reset`]];
    return reset !== undefined && /^\d+$/.test(reset) && (remaining ?? '0') === '0' ? [Number(reset) * 1000] : [];
  });
  return resets.length === 0 ? {} : { afterMs: Math.max(0, Math.max(...resets) - now) };
}
