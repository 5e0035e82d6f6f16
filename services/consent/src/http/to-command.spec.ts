import { describe, expect, test } from '@jest/globals';
import { isInstant, isSubjectId } from './shapes.ts';
import { parseIfMatch, parseRequestKey } from './to-command.ts';

describe('headers', () => {
  test.each([
    [undefined, { kind: 'absent' }],
    ['8e03978e-40d5-43e8-bc93-6894a57f9324', { kind: 'given', key: '8e03978e-40d5-43e8-bc93-6894a57f9324' }],
    ['"8e03978e"', { kind: 'given', key: '8e03978e' }],
    ['"with \\"quotes\\""', { kind: 'given', key: 'with "quotes"' }],
    ['', { kind: 'malformed' }],
    ['""', { kind: 'malformed' }],
    ['schlüssel', { kind: 'malformed' }],
    ['x'.repeat(255), { kind: 'given', key: 'x'.repeat(255) }],
    ['x'.repeat(256), { kind: 'malformed' }],
    ['x'.repeat(10_240), { kind: 'malformed' }],
    [['a', 'b'], { kind: 'malformed' }],
  ])('Idempotency-Key %p', (header, expected) => {
    expect(parseRequestKey(header, () => 'f')).toMatchObject(expected);
  });

  test.each([
    [undefined, undefined],
    ['*', { kind: 'any' }],
    ['"42"', { kind: 'version', version: 42 }],
    ['42', { kind: 'malformed' }],
    ['W/"42"', { kind: 'malformed' }],
    ['"42", "43"', { kind: 'malformed' }],
    ['"-1"', { kind: 'malformed' }],
    ['"9999999999999999"', { kind: 'malformed' }],
  ])('If-Match %p', (header, expected) => {
    expect(parseIfMatch(header)).toEqual(expected);
  });
});

describe('shapes', () => {
  test.each([
    ['2027-01-31T12:00:00Z', true],
    ['2027-01-31T12:00:00.123456+02:00', true],
    ['2028-02-29T00:00:00Z', true],
    ['2027-02-29T00:00:00Z', false],
    ['2027-01-31T12:00:00', false],
    ['2027-01-31', false],
    ['2027-01-31T24:00:00Z', false],
    ['2016-12-31T23:59:60Z', false],
    ['-001-01-01T00:00:00Z', false],
    ['10000-01-01T00:00:00Z', false],
    ['tomorrow', false],
  ])('instant %s: %s', (text, expected) => {
    expect(isInstant(text)).toBe(expected);
  });

  test.each([
    ['42', true],
    ['anna@example.com', true],
    ['日本', true],
    ['x'.repeat(256), true],
    ['😀'.repeat(256), true],
    ['x'.repeat(257), false],
    ['', false],
    ['   ', false],
    ['\u00a0', false],
    ['a\nb', false],
    ['a\rb', false],
    ['a\u0000b', false],
    ['\ud800', false],
    [42, false],
    [null, false],
  ])('subject id %p: %s', (id, expected) => {
    expect(isSubjectId(id)).toBe(expected);
  });
});
