import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { openApiText } from './openapi.ts';

const committed = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8');

test('H-8 services/consent/openapi.json is what the routes say', async () => {
  // To renew it: node tools/build.mjs && node services/consent/dist/openapi.js > services/consent/openapi.json
  expect(await openApiText()).toBe(committed);
});

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Record<string, readonly string[]>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: object }[];
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: object }>>;
}

const document = JSON.parse(committed) as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, operation, name: `${method.toUpperCase()} ${path}` })),
);

/** What anybody may read: public keys, public notes, and what the GPC specification puts at that address. */
const open = new Set([
  'GET /.well-known/gpc.json',
  'GET /.well-known/jwks.json',
  'GET /v1/ledger/checkpoint',
  'GET /v1/ledger/key',
]);

describe('H-8 the description keeps the rules of a linter', () => {
  test('it is OpenAPI 3.1, and no operation shares its id', () => {
    expect(document.openapi).toBe('3.1.0');
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test.each(operations)('$name says what it is, who may ask and what can go wrong', ({ path, operation, name }) => {
    const { operationId, summary, tags, security, parameters = [], responses } = operation;
    expect(operationId).toMatch(/^[a-z][A-Za-z]+$/);
    expect(summary).toMatch(/^[A-Z].*[^.]$/);
    expect(tags).toHaveLength(1);
    expect(Object.keys(responses).filter((status) => status.startsWith('2')).length).toBeGreaterThan(0);
    for (const [status, { content = {} }] of Object.entries(responses)) {
      if (status.startsWith('2') && status !== '204') expect(Object.keys(content)).not.toEqual([]);
      if (status.startsWith('4') || status.startsWith('5'))
        expect(content).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemBody' } },
        });
    }
    if (open.has(name)) expect(security ?? []).toEqual([]);
    else {
      expect(security).toEqual([{ bearer: [] }]);
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403']));
    }
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, parameter]) => parameter);
    expect(parameters.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name)).toEqual(
      inPath,
    );
    for (const parameter of parameters) expect(parameter.schema).toBeDefined();
  });

  test('every reference leads somewhere, and every schema is referred to', () => {
    const named = new Set([...committed.matchAll(/"#\/components\/([^"]+)"/g)].map(([, name]) => name));
    const held = Object.entries(document.components)
      .filter(([kind]) => kind !== 'securitySchemes')
      .flatMap(([kind, items]) => Object.keys(items).map((name) => `${kind}/${name}`));
    expect([...named].sort()).toEqual(held.sort());
  });
});
