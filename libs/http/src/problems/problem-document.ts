import { STATUS_CODES } from 'node:http';
import type { FieldError, Refusal } from './refusal.ts';

export const problemContentType = 'application/problem+json; charset=utf-8';

/** RFC 9457 problem details. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The request this happened in; the log has it under the same id. */
  readonly instance: string;
  readonly errors?: readonly FieldError[];
  readonly [member: string]: unknown;
}

/** The `type` of a problem: a URN, because it identifies and promises no page. */
export const problemType = (code: string): string => `urn:entente:problem:${code}`;

const instanceOf = (requestId: string): string => `urn:entente:request:${requestId}`;

export function problemOf(refusal: Refusal, requestId: string): ProblemDocument {
  const { headers: _headers, errors, ...members } = refusal.extra;
  return {
    ...members,
    type: problemType(refusal.code),
    title: STATUS_CODES[refusal.status] ?? 'Refused',
    status: refusal.status,
    detail: refusal.detail,
    instance: instanceOf(requestId),
    ...(errors === undefined ? {} : { errors }),
  };
}

/** A fault tells the caller nothing but where to find it in the log. */
export function faultProblem(requestId: string): ProblemDocument {
  return {
    type: problemType('fault'),
    title: 'Internal Server Error',
    status: 500,
    detail: 'Something failed on our side. Quote the instance when you report it.',
    instance: instanceOf(requestId),
  };
}
