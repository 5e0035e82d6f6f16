import { describe, expect, test } from '@jest/globals';
import { expectDescribed } from './described-answers.ts';

const hash = 'ab'.repeat(32);
const entry = { number: 1, act: 'log-began', at: '2026-11-22T09:00:00.000000Z', role: 'entente', details: {}, hash };
const judged = (status: number, body: unknown) => () =>
  expectDescribed('GET', '/v1/admin/entries?limit=1', { status, body });

describe('H-8 each answer of the integration tests is judged by the description', () => {
  test('H-8 one that is as described', () => {
    expect(judged(200, { entries: [entry], next: 1 })).not.toThrow();
    expect(judged(200, { entries: [] })).not.toThrow();
  });

  test.each([
    ['a status that the route is not said to give', 418, { entries: [] }],
    ['a field that is missing', 200, {}],
    ['a field that nobody was told of', 200, { entries: [], total: 3 }],
    ['one deep inside', 200, { entries: [{ ...entry, secret: 'x' }] }],
    ['a value of another kind', 200, { entries: [{ ...entry, number: '1' }] }],
    ['a value of another form', 200, { entries: [{ ...entry, hash: 'none' }] }],
  ])('H-8 %s is found', (_, status, body) => {
    expect(judged(status, body)).toThrow('H-8 GET /v1/admin/entries');
  });
});
