import { filled, isRecord, list, parsed, record, text, type Json } from '../narrow.ts';
import type { PartnerRequest } from '../partner.ts';

/** Keys whose value is a person's identifier; the rest only help matching. */
const identifying = new Set(['EMAIL', 'PHONE', 'MADID', 'EXTERN_ID']);
/** Keys sent plain (partner-apis.md §1). */
const unhashed = new Set(['MADID', 'EXTERN_ID', 'DATA_PROCESSING_OPTIONS']);
const hashed = new Set([
  'EMAIL',
  'PHONE',
  'GEN',
  'DOBY',
  'DOBM',
  'DOBD',
  'FN',
  'LN',
  'FI',
  'CT',
  'ST',
  'ZIP',
  'COUNTRY',
]);
const isHash = (value: string): boolean => /^[0-9a-f]{64}$/.test(value);

export interface Row {
  /** Exactly as received, without blanks. */
  readonly identifiers: readonly { readonly key: string; readonly value: string }[];
  /** The first value that is not what its key demands. */
  readonly invalid: string | undefined;
}

export interface Payload {
  readonly keys: readonly string[];
  readonly rows: readonly Row[];
}

const params = (request: PartnerRequest): Json => record(request.body);

/** A parameter of the Graph API: in the JSON body, a form body or the query. */
export function parameter(request: PartnerRequest, name: string): unknown {
  const given = params(request)[name] ?? request.query.get(name) ?? undefined;
  // In forms and queries objects travel as JSON text.
  return typeof given === 'string' && given.startsWith('{') ? parsed(given) : given;
}

/** `EMAIL_SHA256` is the single-key way of writing `EMAIL`. */
const plainKey = (key: string): string => key.replace(/_SHA256$/, '');

function rowOf(keys: readonly string[], given: unknown): Row {
  const values = Array.isArray(given) ? (given as readonly unknown[]) : [given];
  const pairs = keys.map((key, index) => ({ key, value: values[index] }));
  const invalid = pairs.find(({ key, value }) => !isValid(key, value));
  const identifiers = pairs.flatMap(({ key, value }) => {
    const held = filled(text(value));
    return identifying.has(key) && held !== undefined ? [{ key, value: held }] : [];
  });
  const miscounted = values.length !== keys.length || identifiers.length === 0;
  return {
    identifiers,
    invalid: invalid === undefined ? (miscounted ? JSON.stringify(given) : undefined) : JSON.stringify(invalid.value),
  };
}

function isValid(key: string, value: unknown): boolean {
  if (key === 'DATA_PROCESSING_OPTIONS') return Array.isArray(value) && value.every((option) => option === 'LDU');
  if (typeof value !== 'string') return false;
  return value === '' || unhashed.has(key) || isHash(value);
}

/** The payload as Meta reads it, or what is wrong with it as a whole. */
export function readPayload(request: PartnerRequest): Payload | string {
  const payload = parameter(request, 'payload');
  if (!isRecord(payload)) return 'The parameter payload is required';
  const { schema, data } = payload;
  const given = typeof schema === 'string' ? [schema] : list(schema).map(String);
  const keys = given.map(plainKey);
  const unknown = keys.find((key) => !hashed.has(key) && !unhashed.has(key));
  if (keys.length === 0 || unknown !== undefined) return `payload.schema is not valid: ${unknown ?? 'empty'}`;
  if (!Array.isArray(data)) return 'payload.data must be an array';
  return { keys, rows: data.map((row: unknown) => rowOf(keys, row)) };
}
