/** What the API says when it says no (RFC 9457), or that it did not answer. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  constructor(
    /** 0 when there was no answer. */
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    /** For a person to quote: finds the request in the logs. */
    readonly reference: string | null,
  ) {
    super(`${status} ${code}`);
  }
}

/** Stands for a body that cannot be read. */
const notJson = Symbol('not JSON');

const textOf = (value: unknown, name: string): string => {
  const member: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof member === 'string' ? member : '';
};

/** Asks the API as the person whose session cookie this browser has. @throws ApiProblem */
export async function ask<T>(path: string, body?: object): Promise<T> {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    credentials: 'same-origin',
    cache: 'no-store',
  }).catch(() => {
    throw new ApiProblem(0, 'unreachable', '', null);
  });
  const reference = response.headers.get('x-request-id');
  if (response.status === 204) return null as T;
  const answer: unknown = await response.json().catch(() => notJson);
  if (!response.ok)
    throw new ApiProblem(
      response.status,
      textOf(answer, 'type').split(':').at(-1) ?? '',
      textOf(answer, 'detail'),
      reference,
    );
  // A proxy's page or an answer cut short: to show nothing for it would say that there is nothing.
  if (answer === notJson) throw new ApiProblem(502, 'unreadable', '', reference);
  return answer as T;
}

/** Any failure, as the pages show it. */
export const problemOf = (error: unknown): ApiProblem =>
  error instanceof ApiProblem ? error : new ApiProblem(0, 'unexpected', String(error), null);
