import type { HttpResponse, Sent } from '@entente/gate';
import type { Outcome } from './outcome.ts';

/** A whole answer of a partner. `json` is undefined where the body is not JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly json: unknown;
}

/** The ways a call ends that are the same at every partner. */
type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** Retry-After in milliseconds: seconds or an HTTP date (RFC 9110 §10.2.3). */
export function retryAfterMs(headers: Readonly<Record<string, string>>, now: number): number | undefined {
  const value = headers['retry-after']?.trim();
  if (value === undefined || value === '') return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** Statuses after which a repetition may succeed (partner-apis.md §15). */
const passing: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * What an error status says where the partner's body says nothing better. A bare 404 may be a wrong address: a person
 * must look, it is never an acceptance (ACK-TRUTH).
 */
export function failureOf(answer: Answer, afterMs?: number): Failure {
  const { status } = answer;
  if (passing.has(status)) {
    const why = status === 429 ? 'throttled' : `status-${status}`;
    return { kind: 'retry', why, ...(afterMs === undefined ? {} : { afterMs }) };
  }
  if (status === 401) return { kind: 'refused', why: 'authentication' };
  if (status === 403) return { kind: 'refused', why: 'permission' };
  if (status >= 200 && status < 300) return { kind: 'unclear', why: 'unexpected-answer' };
  return { kind: 'refused', why: `status-${status}` };
}

/** Of a call that carried nothing about a person: unanswered it leaves nothing unclear and is made again. */
export const withoutAnswer = (failure: Failure, why: string): Extract<Failure, { kind: 'retry' | 'refused' }> =>
  failure.kind === 'refused' ? failure : { kind: 'retry', why };

/** The answer of a call, or the outcome when there is none. */
export function answerOf(sent: Sent): { readonly answer: Answer } | { readonly failure: Failure } {
  switch (sent.kind) {
    case 'answered':
      return { answer: { ...sent.response, json: jsonOf(sent.response) } };
    case 'not-sent':
      return { failure: { kind: 'retry', why: 'not-sent' } };
    // The egress guard: repeating would be refused again, a person must look at the settings.
    case 'forbidden':
      return { failure: { kind: 'refused', why: sent.why } };
    case 'unclear':
      return { failure: { kind: 'unclear', why: 'no-answer' } };
  }
}

function jsonOf({ body }: HttpResponse): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    // Not JSON: what that means is for the reader of the answer to say.
    return undefined;
  }
}

/** A member of an untrusted JSON value. */
export const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

export const elements = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Judges a call by one reader of whole answers. */
export function judged(sent: Sent, read: (answer: Answer) => Outcome): Outcome {
  const result = answerOf(sent);
  return 'failure' in result ? result.failure : read(result.answer);
}
