import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Json = Record<string, unknown>;
type Schemas = Readonly<Record<string, { readonly schema?: Json }>>;

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content?: Schemas }>>;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  /** More literal segments come first: `/v1/imports` before `/v1/{anything}`. */
  readonly parameters: number;
  readonly operation: Operation;
}

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Json };
}

/** Objects of the document with their properties listed take no others: what is answered is described. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  return 'properties' in inner && !('additionalProperties' in inner) && !('allOf' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
}

const routesOf = ({ paths }: Description): readonly Route[] =>
  Object.entries(paths)
    .flatMap(([template, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path: new RegExp(`^${template.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{[^}]+\}/g, '[^/]*')}$`),
        parameters: template.split('{').length,
        operation,
      })),
    )
    .sort((a, b) => a.parameters - b.parameters);

/**
 * H-8: judges answers by a committed OpenAPI document. The function throws unless an answer is one that the document has for
 * this route: its status, and its body by the schema given there. Every request of integration tests goes through it.
 */
export function answersDescribedIn(
  file: URL,
): (method: string, url: string, answer: { status: number; body: unknown }) => void {
  const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
  const routes = routesOf(description);
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'openapi', components: { schemas: closed(description.components.schemas) } });
  const validators = new Map<string, ValidateFunction>();

  function validatorOf({ operationId }: Operation, status: number, schema: Json): ValidateFunction {
    const name = `${operationId} ${status}`;
    const known = validators.get(name);
    if (known !== undefined) return known;
    const text = JSON.stringify(closed(schema)).replaceAll('"#/components', '"openapi#/components');
    const made = ajv.compile(JSON.parse(text) as Json);
    validators.set(name, made);
    return made;
  }

  return (method, url, { status, body }) => {
    const [path = ''] = url.split('?');
    const route = routes.find((one) => one.method === method && one.path.test(path));
    // A fault has no place in the description of what is asked and answered.
    if (route === undefined || status === 304 || status === 500) return;
    const response = route.operation.responses[status];
    if (response === undefined) throw new Error(`H-8 ${method} ${path} answers ${status}, which is not described`);
    const schema = Object.values(response.content ?? {})[0]?.schema;
    if (schema === undefined) return;
    const validate = validatorOf(route.operation, status, schema);
    if (!validate(body))
      throw new Error(
        `H-8 ${method} ${path} answers ${status} otherwise than described: ${ajv.errorsText(validate.errors)}`,
      );
  };
}
