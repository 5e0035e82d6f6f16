import { describe, expect, test } from '@jest/globals';
import { openApiFaults } from './openapi-faults.ts';

const problem = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemBody' } } } };
const read = {
  ...{ operationId: 'readThing', summary: 'One thing', tags: ['things'], security: [{ bearer: [] }] },
  parameters: [{ name: 'id', in: 'path', schema: { type: 'string' } }],
  responses: { 200: { content: { 'application/json': {} } }, 401: problem, 403: problem },
};
const document = (operation: object, more: object = {}): string =>
  JSON.stringify({
    openapi: '3.1.0',
    paths: { '/v1/things/{id}': { get: operation } },
    components: { schemas: { ProblemBody: {} } },
    ...more,
  });

describe('H-8 the description keeps the rules of a linter', () => {
  test('a sound one has no faults', () => {
    expect(openApiFaults(document(read))).toEqual([]);
    const open = { ...read, security: [], responses: { 200: read.responses[200], 404: problem } };
    expect(openApiFaults(document(open), new Set(['GET /v1/things/{id}']))).toEqual([]);
  });

  const { 200: ok, ...refusals } = read.responses;
  test.each([
    ['no operationId', { ...read, operationId: undefined }, 'operationId is ""'],
    ['a summary that ends with a full stop', { ...read, summary: 'One thing.' }, 'summary is "One thing."'],
    ['two tags', { ...read, tags: ['a', 'b'] }, '2 tags'],
    ['no success', { ...read, responses: refusals }, 'nothing is said of success'],
    ['success without content', { ...read, responses: { ...refusals, 200: {} } }, '200 has no content'],
    ['nobody who may ask', { ...read, security: [] }, 'security is []'],
    ['no refusal', { ...read, responses: { 200: ok, 404: problem } }, '401 and 403 are missing'],
    ['a problem without its document', { ...read, responses: { ...read.responses, 404: {} } }, '404 is no problem'],
    ['a parameter nobody was told of', { ...read, parameters: [] }, 'parameters of the path are '],
    [
      'a parameter without schema',
      { ...read, parameters: [...read.parameters, { name: 'limit', in: 'query' }] },
      'a parameter has no schema',
    ],
  ])('H-8 %s is found', (_, operation, fault) => {
    expect(openApiFaults(document(operation))).toEqual([expect.stringContaining(`GET /v1/things/{id}: ${fault}`)]);
  });

  test.each([
    ['another version', { openapi: '3.0.3' }, 'it is OpenAPI 3.0.3, not 3.1.0'],
    ['an id used twice', { paths: { '/a/{id}': { get: read }, '/b/{id}': { get: read } } }, 'readThing is used twice'],
    ['a reference that leads nowhere', { components: {} }, 'schemas/ProblemBody is referred to and missing'],
    [
      'a schema nothing refers to',
      { components: { schemas: { ProblemBody: {}, Old: {} } } },
      'nothing refers to schemas/Old',
    ],
  ])('H-8 %s is found', (_, more, fault) => {
    expect(openApiFaults(document(read, more))).toEqual([expect.stringContaining(fault)]);
  });

  test('H-8 an open operation that is not there is found', () => {
    expect(openApiFaults(document(read), new Set(['GET /v1/gone']))).toEqual(['GET /v1/gone is not there']);
  });
});
