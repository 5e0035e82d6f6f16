import { isRecord, list, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { malformed, recordFailure, salesforceErrors, type RecordResult } from './answers.ts';
import { picklists, unreadable, type ObjectSchema } from './schema.ts';
import type { OrgStore } from './store.ts';

/** Records per request (partner-apis.md §10.1). */
const batchLimit = 200;
const rolledBack = 'ALL_OR_NONE_OPERATION_ROLLED_BACK';

interface Written {
  readonly result: RecordResult;
  readonly effect?: Deed;
}

/** sObject collections: upsert by external id, delete by record id (S5). */
export function collectionOperations(
  store: OrgStore,
  schema: ReadonlyMap<string, ObjectSchema>,
  base: string,
): readonly Operation[] {
  function upsert(request: PartnerRequest): Answer {
    const { object = '', field = '' } = request.params;
    const known = schema.get(object);
    if (known === undefined || !known.externalIds.has(field))
      return salesforceErrors(404, 'NOT_FOUND', 'Provided external ID field does not exist or is not accessible');
    const records = list(record(request.body)['records']).filter(isRecord);
    const refusal = refused(request, records, object, known);
    if (refusal !== undefined) return refusal;
    const named = records.map((each) => String(each[field] ?? ''));
    let made = 0;
    const written = records.map((given, index): Written => {
      if (index < request.badRows)
        return {
          result: recordFailure('FIELD_CUSTOM_VALIDATION_EXCEPTION', 'This record is locked by a validation rule'),
        };
      const row = write({ given, object, field, known, named, ahead: made });
      if (row.effect?.what === 'created') made += 1;
      return row;
    });
    return answered(request, written);
  }

  interface Row {
    readonly given: Json;
    readonly object: string;
    readonly field: string;
    readonly known: ObjectSchema;
    /** External ids of the whole request. */
    readonly named: readonly string[];
    readonly ahead: number;
  }

  function write({ given, object, field, known, named, ahead }: Row): Written {
    const value = String(given[field] ?? '');
    const fail = (code: string, message: string, fields: readonly string[] = []): Written => ({
      result: recordFailure(code, message, fields),
    });
    if (value === '') return fail('MISSING_ARGUMENT', `${field} not specified`);
    if (named.filter((each) => each.toLowerCase() === value.toLowerCase()).length > 1)
      return fail('DUPLICATE_VALUE', `Duplicate external id specified: ${value}`, [field]);
    const held = store.matching(object, field, value);
    if (held.length > 1) return fail('DUPLICATE_EXTERNAL_ID', 'More than one record found for external id', [field]);
    const fields: Json = {};
    for (const [name, content] of Object.entries(given)) {
      if (name === 'attributes') continue;
      const target = known.references.get(name);
      if (target === undefined) {
        const allowed = picklists[name];
        if (allowed !== undefined && !allowed.includes(String(content)))
          return fail('INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', `bad value for restricted picklist: ${name}`, [name]);
        fields[name] = content;
        continue;
      }
      const [key = '', id] = Object.entries(record(content))[0] ?? [];
      const [referred] = store.matching(target, key, String(id));
      if (referred === undefined)
        return fail('INVALID_FIELD', `Foreign key external ID: ${String(id)} not found for field ${key} in ${target}`);
      fields[`${name}Id`] = referred.id;
    }
    const [row] = held;
    const missing = row === undefined ? known.required.filter((name) => !(name in given)) : [];
    if (missing.length > 0)
      return fail('REQUIRED_FIELD_MISSING', `Required fields are missing: [${missing.join(', ')}]`, missing);
    const id = row?.id ?? store.nextId(object, ahead);
    const created = row === undefined;
    return {
      result: { id, success: true, created, errors: [] },
      effect: {
        what: created ? 'created' : 'updated',
        identifiers: [value],
        scope: `${object}/${field}`,
        detail: { id, fields },
      },
    };
  }

  function remove(request: PartnerRequest): Answer {
    const ids = (request.query.get('ids') ?? '').split(',').filter((id) => id !== '');
    if (ids.length === 0 || ids.length > batchLimit)
      return salesforceErrors(400, 'INVALID_INPUT', `ids must hold 1 to ${batchLimit} ids`);
    const written = ids.map((id, index): Written => {
      const row = store.row(id);
      if (index < request.badRows)
        return { result: recordFailure('DELETE_FAILED', 'Your attempt to delete could not be completed') };
      if (row === undefined) return { result: recordFailure('ENTITY_IS_DELETED', 'entity is deleted') };
      const external = String(row.fields['Consent_Subject_Id__c'] ?? '');
      return {
        result: { id, success: true, errors: [] },
        effect: { what: 'deleted', identifiers: [external], scope: row.object, detail: { id } },
      };
    });
    return answered(request, written);
  }

  return [
    {
      op: 'collections.upsert',
      method: 'PATCH',
      paths: [`${base}/composite/sobjects/{object}/{field}`],
      asks: ({ body, params: { object = '', field = '' } }) =>
        list(record(body)['records'])
          .filter(isRecord)
          .map((given) => ({
            what: 'upsert',
            identifiers: [String(given[field] ?? '')],
            scope: `${object}/${field}`,
            detail: given,
          })),
      handle: upsert,
    },
    {
      op: 'collections.delete',
      method: 'DELETE',
      paths: [`${base}/composite/sobjects`],
      asks: ({ query }) =>
        (query.get('ids') ?? '').split(',').map((id) => ({
          what: 'delete',
          identifiers: [String(store.row(id)?.fields['Consent_Subject_Id__c'] ?? id)],
          scope: store.row(id)?.object ?? 'record',
        })),
      handle: remove,
    },
  ];
}

function refused(
  request: PartnerRequest,
  records: readonly Json[],
  object: string,
  known: ObjectSchema,
): Answer | undefined {
  if (request.bodyState !== 'read' || records.length === 0) return malformed('records must be a list of objects');
  if (records.length > batchLimit)
    return salesforceErrors(400, 'EXCEEDED_ID_LIMIT', 'record limit reached. cannot submit more than 200 records');
  for (const given of records) {
    if (record(given['attributes'])['type'] !== object)
      return salesforceErrors(400, 'INVALID_INPUT', `attributes.type must be ${object}`);
    const fault = unreadable(object, known, given);
    if (fault !== undefined) return salesforceErrors(400, ...fault);
  }
  return undefined;
}

/** 200 whatever became of the records; with `allOrNone` one failure takes the others back. */
function answered(request: PartnerRequest, written: readonly Written[]): Answer {
  const all = record(request.body)['allOrNone'] === true || request.query.get('allOrNone') === 'true';
  const failed = written.some(({ result }) => !result.success);
  if (all && failed)
    return {
      status: 200,
      body: written.map(({ result }) =>
        result.success ? recordFailure(rolledBack, 'Record rolled back because not all records were valid') : result,
      ),
    };
  return {
    status: 200,
    body: written.map(({ result }) => result),
    effects: written.flatMap(({ effect }) => effect ?? []),
  };
}
