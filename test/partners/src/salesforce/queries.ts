import { filled, isRecord, list, record, type Json } from '../narrow.ts';
import type { Answer, Operation, PartnerRequest } from '../partner.ts';
import { malformed, salesforceErrors } from './answers.ts';
import type { ObjectSchema } from './schema.ts';
import type { OrgStore, Row } from './store.ts';

/** Subrequests of a batch (REST API guide, "Composite Batch"). */
const batchLimit = 25;
/** Records of one page of a query. */
const pageSize = 2_000;

const soql = /^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)\s+WHERE\s+([\w.]+)\s*(?:IN\s*\((.*)\)|=\s*('(?:[^'\\]|\\.)*'))\s*$/is;

/** Queries of the form `SELECT … FROM … WHERE field IN (…)`, alone or in a batch. */
export function queryOperations(
  store: OrgStore,
  schema: ReadonlyMap<string, ObjectSchema>,
  version: string,
  base: string,
): readonly Operation[] {
  const known = (object: string, path: string): boolean => {
    const [first = '', ...rest] = path.split('.');
    const described = schema.get(object);
    if (described === undefined) return false;
    const target = described.references.get(first);
    if (target !== undefined && rest.length > 0) return known(target, rest.join('.'));
    return first === 'Id' || described.fields.has(first);
  };
  const read = (row: Row, path: string): unknown => {
    const [first = '', ...rest] = path.split('.');
    if (first === 'Id') return row.id;
    if (rest.length === 0) return row.fields[first] ?? defaultOf(row.object, first);
    const referred = store.row(String(row.fields[`${first}Id`]));
    return referred === undefined ? null : read(referred, rest.join('.'));
  };
  const defaultOf = (object: string, field: string): unknown =>
    schema.get(object)?.fields.get(field) === 'boolean' ? false : null;

  function query(text: string): Answer {
    const [, columns = '', object = '', where = '', among, equals = ''] = soql.exec(text) ?? [];
    const paths = columns.split(',').map((column) => column.trim());
    if (columns === '') return salesforceErrors(400, 'MALFORMED_QUERY', 'unexpected token');
    if (!schema.has(object)) return salesforceErrors(400, 'INVALID_TYPE', `sObject type '${object}' is not supported.`);
    const unknown = [...paths, where].find((path) => !known(object, path));
    if (unknown !== undefined)
      return salesforceErrors(400, 'INVALID_FIELD', `No such column '${unknown}' on entity '${object}'`);
    const wanted = new Set(literals(among ?? equals).map((each) => each.toLowerCase()));
    const rows = store.rows(object).filter((row) => wanted.has(String(read(row, where) ?? '').toLowerCase()));
    const records = rows
      .slice(0, pageSize)
      .map((row) => ({ attributes: { type: object }, ...nested(paths.map((path) => [path, read(row, path)])) }));
    return { status: 200, body: { totalSize: rows.length, done: rows.length <= pageSize, records } };
  }

  function subrequest(given: unknown): { statusCode: number; result: unknown } {
    const { method, url } = record(given);
    const target = new URL(String(url), 'http://org/');
    const text = target.searchParams.get('q');
    if (method !== 'GET' || target.pathname.replace(/\/$/, '') !== `/${version}/query` || text === null)
      return {
        statusCode: 404,
        result: [{ errorCode: 'NOT_FOUND', message: 'The requested resource does not exist' }],
      };
    const { status, body } = query(text);
    return { statusCode: status, result: body };
  }

  function batch(request: PartnerRequest): Answer {
    const asked = list(record(request.body)['batchRequests']);
    if (request.bodyState !== 'read' || asked.length === 0 || !asked.every(isRecord))
      return malformed('batchRequests must be a list of objects');
    if (asked.length > batchLimit) return salesforceErrors(400, 'LIMIT_EXCEEDED', 'at most 25 subrequests');
    const results = asked.map(subrequest);
    return { status: 200, body: { hasErrors: results.some(({ statusCode }) => statusCode >= 400), results } };
  }

  return [
    {
      op: 'query',
      method: 'GET',
      paths: [`${base}/query`, `${base}/query/`],
      asks: () => [],
      handle: ({ query: parameters }) => {
        const text = filled(parameters.get('q'));
        return text === undefined ? salesforceErrors(400, 'MALFORMED_QUERY', 'q is required') : query(text);
      },
    },
    { op: 'batch', method: 'POST', paths: [`${base}/composite/batch`], asks: () => [], handle: batch },
  ];
}

const literals = (text: string): readonly string[] =>
  [...text.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, literal = '']) => literal.replace(/\\(.)/g, '$1'));

/** `Party.Name` comes as an object in an object. */
function nested(values: readonly (readonly [string, unknown])[]): Json {
  const built: Json = {};
  for (const [path, value] of values) {
    const [first = '', ...rest] = path.split('.');
    built[first] = rest.length === 0 ? value : { ...record(built[first]), ...nested([[rest.join('.'), value]]) };
  }
  return built;
}
