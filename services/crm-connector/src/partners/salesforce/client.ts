import { elements, failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { consentObject, type RecordWrite, type Target } from './plan.ts';
import type { SalesforceSettings } from './settings.ts';

/** Pause after the limit of a rolling day, which frees a little with every minute. */
const dailyLimitPauseMs = 900_000;

const request = (
  settings: SalesforceSettings,
  token: string,
  method: string,
  path: string,
  content?: object,
): HttpRequest => {
  const body = content === undefined ? undefined : JSON.stringify(content);
  return {
    method,
    url: new URL(`/services/data/${settings.version}${path}`, settings.instanceUrl),
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    },
    ...(body === undefined ? {} : { body }),
  };
};

/** Up to 200 records, each on its own: `allOrNone` false. */
export const upsertRecords = (
  settings: SalesforceSettings,
  token: string,
  { object, idField }: Target,
  writes: readonly RecordWrite[],
): HttpRequest =>
  request(settings, token, 'PATCH', `/composite/sobjects/${object}/${idField}`, {
    allOrNone: false,
    records: writes.map(({ id, fields }) => ({ ...fields, attributes: { type: object }, [idField]: id })),
  });

/** By record ids, which say nothing about a person outside the organisation. */
export const deleteRecords = (settings: SalesforceSettings, token: string, ids: readonly string[]): HttpRequest =>
  request(settings, token, 'DELETE', `/composite/sobjects?ids=${ids.join(',')}&allOrNone=false`);

/** One query per object, in the body of a batch: so the ids stand in no URL of ours. */
export const lookUpRecords = (
  settings: SalesforceSettings,
  token: string,
  queries: readonly { readonly target: Target; readonly fields: readonly string[]; readonly ids: readonly string[] }[],
): HttpRequest =>
  request(settings, token, 'POST', '/composite/batch', {
    batchRequests: queries.map(({ target, fields, ids }) => {
      const soql = `SELECT ${['Id', target.idField, ...fields].join(',')} FROM ${target.object} WHERE ${target.idField} IN (${ids.map(literal).join(',')})`;
      return { method: 'GET', url: `${settings.version}/query/?q=${encodeURIComponent(soql)}` };
    }),
  });

/** A string in SOQL. */
const literal = (text: string): string =>
  `'${text.replace(/[\\']/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r')}'`;

/** Codes after which a repetition may succeed, of a request or of one record. */
const passing = new Set([
  'UNABLE_TO_LOCK_ROW',
  'SERVER_UNAVAILABLE',
  'REQUEST_RUNNING_TOO_LONG',
  'QUERY_TIMEOUT',
  'ALL_OR_NONE_OPERATION_ROLLED_BACK',
  'UNKNOWN_EXCEPTION',
]);

/** What a human being must look at, by code; any other refusal is `rejected`. */
const reasons: Readonly<Record<string, string>> = {
  FIELD_CUSTOM_VALIDATION_EXCEPTION: 'validation-rule',
  DUPLICATE_EXTERNAL_ID: 'several-records',
  DUPLICATE_VALUE: 'ids-differ-by-case',
  INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: 'picklist-value',
  INVALID_FIELD: 'field-missing',
  INVALID_TYPE: 'object-missing',
  INSUFFICIENT_ACCESS: 'permission',
  INSUFFICIENT_ACCESS_OR_READONLY: 'permission',
  INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY: 'permission',
  REQUIRED_FIELD_MISSING: 'required-field-missing',
  DELETE_FAILED: 'delete-refused',
};

const codeOf = (error: unknown, name: 'errorCode' | 'statusCode'): string => {
  const code = member(error, name);
  return typeof code === 'string' ? code : '';
};

/** A refusal of a whole request; Salesforce throttles with 403 and names no pause (partner-apis.md §10.1, S4). */
export function refusalOf(answer: Answer): Outcome {
  const [error] = elements(answer.json);
  const code = codeOf(error, 'errorCode');
  if (code === 'REQUEST_LIMIT_EXCEEDED') {
    const daily = String(member(error, 'message')).startsWith('TotalRequests');
    return { kind: 'retry', why: 'throttled', ...(daily ? { afterMs: dailyLimitPauseMs } : {}) };
  }
  if (passing.has(code)) return { kind: 'retry', why: 'partner-busy' };
  const reason = reasons[code];
  if (answer.status === 400 && reason !== undefined) return { kind: 'refused', why: reason };
  return failureOf(answer, retryAfterMs(answer.headers, 0));
}

/** What became of one record. `absent`: it would have had to be made, or its Individual is not there. */
type RecordOutcome = Outcome | { readonly kind: 'absent' };

/** One outcome per record in their order, or that Salesforce could not read the request for one of them. */
export type UpsertAnswer =
  | { readonly kind: 'records'; readonly outcomes: readonly RecordOutcome[] }
  | { readonly kind: 'unreadable'; readonly outcome: Outcome };

/** 200 is not success: every record has its own. A 400 is about one record we do not know and did nothing for any. */
export function readUpsert(answer: Answer, records: number): UpsertAnswer {
  const results = elements(answer.json);
  if (answer.status === 200 && results.length === records)
    return { kind: 'records', outcomes: results.map((result) => recordOutcome(result)) };
  const outcome = refusalOf(answer);
  if (answer.status === 400 && outcome.kind === 'refused') return { kind: 'unreadable', outcome };
  return { kind: 'records', outcomes: Array.from({ length: records }, () => outcome) };
}

function recordOutcome(result: unknown): RecordOutcome {
  const id = member(result, 'id');
  const success = member(result, 'success');
  if (success === true && typeof id === 'string' && id !== '') return { kind: 'applied' };
  if (success !== false) return { kind: 'unclear', why: 'unexpected-answer' };
  const [error] = elements(member(result, 'errors'));
  const code = codeOf(error, 'statusCode');
  if (passing.has(code)) return { kind: 'retry', why: 'partner-busy' };
  if (code === 'REQUEST_LIMIT_EXCEEDED') return { kind: 'retry', why: 'throttled' };
  const foreign = code === 'INVALID_FIELD' && String(member(error, 'message')).startsWith('Foreign key external ID');
  if (code === 'REQUIRED_FIELD_MISSING' || foreign) return { kind: 'absent' };
  return { kind: 'refused', why: reasons[code] ?? 'rejected' };
}

/** One outcome per record; a record that is already gone is Salesforce's own word for nothing left to do. */
export function readDeletion(answer: Answer, records: number): Outcome[] {
  const results = elements(answer.json);
  const whole = answer.status === 200 && results.length === records ? undefined : refusalOf(answer);
  if (whole !== undefined) return Array.from({ length: records }, () => whole);
  return results.map((result) => {
    const codes = elements(member(result, 'errors')).map((error) => codeOf(error, 'statusCode'));
    if (codes.includes('ENTITY_IS_DELETED')) return { kind: 'nothing-to-do', why: 'already-deleted' };
    const outcome = recordOutcome(result);
    return outcome.kind === 'absent' ? { kind: 'refused', why: 'required-field-missing' } : outcome;
  });
}

/** A record as a query shows it. */
export interface Found {
  readonly recordId: string;
  readonly id: string;
  readonly fields: unknown;
}

type LookUp = { readonly found: readonly (readonly Found[])[] } | { readonly failure: Outcome };

/** One list per query, in their order: 200 may carry the failure of any of them, and a page may not be the last. */
export function readLookUp(answer: Answer, targets: readonly Target[]): LookUp {
  if (answer.status !== 200) return { failure: refusalOf(answer) };
  const results = elements(member(answer.json, 'results'));
  if (results.length !== targets.length) return { failure: { kind: 'unclear', why: 'unexpected-answer' } };
  const found: Found[][] = [];
  for (const [index, result] of results.entries()) {
    const status = Number(member(result, 'statusCode'));
    const json = member(result, 'result');
    if (status !== 200) return { failure: refusalOf({ status, headers: {}, json }) };
    if (member(json, 'done') !== true) return { failure: { kind: 'unclear', why: 'unexpected-answer' } };
    const idField = targets[index]?.idField ?? '';
    found.push(
      elements(member(json, 'records')).map((fields) => ({
        recordId: String(member(fields, 'Id')),
        id: String(member(fields, idField)),
        fields,
      })),
    );
  }
  return { found };
}

/** Whether a record of this object says yes to a purpose; undefined where nothing in it stands for the purpose. */
export function saysYes(
  { object }: Target,
  purpose: string,
  fields: unknown,
  settings: SalesforceSettings,
): boolean | undefined {
  if (object === consentObject) return member(fields, 'PrivacyConsentStatus') !== settings.deniedStatus;
  const map = object === 'Individual' ? settings.individualOptOutFields : settings.optOutFields;
  const field = Object.hasOwn(map, purpose) ? map[purpose] : undefined;
  return field === undefined ? undefined : member(fields, field) !== true;
}
