import { filled, isRecord, list, parsed, record } from '../narrow.ts';
import type { PartnerRequest } from '../partner.ts';
import type { XError } from './answers.ts';

/** Operations per request (partner-apis.md §6). */
export const operationLimit = 2_500;

/** What a user may be known by; all but the last are SHA-256 in lower hex (partner-apis.md §6, X1, X5). */
const userKeys = ['email', 'device_id', 'handle', 'twitter_id', 'phone_number', 'partner_user_id'];
const unhashed = 'partner_user_id';
const isHash = (value: string): boolean => /^[0-9a-f]{64}$/.test(value);

export interface Operation {
  readonly type: string;
  /** The identifiers of each user exactly as received. */
  readonly users: readonly (readonly string[])[];
  readonly errors: readonly XError[];
}

/** The batch in the body, whatever it holds; undefined where it is no array. */
export function operationsIn(request: PartnerRequest): readonly Operation[] | undefined {
  const given = parsed(request.raw);
  return Array.isArray(given) ? given.map((each: unknown) => operationOf(each)) : undefined;
}

function operationOf(given: unknown): Operation {
  const type = filled(record(given)['operation_type']) ?? '';
  const params = record(record(given)['params']);
  const users = list(params['users']);
  const errors = [
    ...(type === 'Update' || type === 'Delete' ? [] : [invalid('operation_type', type)]),
    ...(users.length > 0 ? [] : [missing('users')]),
    ...users.flatMap((user) => userErrors(user)),
    ...['effective_at', 'expires_at'].flatMap((name) => {
      const at = params[name];
      return at === undefined || (typeof at === 'string' && !Number.isNaN(Date.parse(at))) ? [] : [invalid(name, at)];
    }),
  ];
  return { type, users: users.map(identifiersOf), errors };
}

const invalid = (parameter: string, value: unknown): XError => ({
  code: 'INVALID_PARAMETER',
  message: `Expected a valid ${parameter}, got ${JSON.stringify(value)}`,
  parameter,
});
const missing = (parameter: string): XError => ({
  code: 'MISSING_PARAMETER',
  message: `${parameter} is a required parameter`,
  parameter,
});

const identifiersOf = (user: unknown): string[] =>
  userKeys.flatMap((key) => list(record(user)[key]).flatMap((value) => filled(value) ?? []));

function userErrors(user: unknown): XError[] {
  if (!isRecord(user)) return [invalid('users', user)];
  const unknown = Object.keys(user).find((key) => !userKeys.includes(key));
  if (unknown !== undefined) return [invalid(unknown, user[unknown])];
  if (identifiersOf(user).length === 0) return [missing('email')];
  return userKeys.flatMap((key) => {
    const values = user[key];
    if (values === undefined) return [];
    if (!Array.isArray(values)) return [invalid(key, values)];
    const wrong: unknown = values.find((value) => typeof value !== 'string' || (key !== unhashed && !isHash(value)));
    return wrong === undefined ? [] : [invalid(key, wrong)];
  });
}
