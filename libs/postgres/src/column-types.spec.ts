import { describe, expect, test } from '@jest/globals';
import { UnsafeBigint, columnTypes } from './column-types.ts';
import { checkedSchema, startupOptions } from './session-settings.ts';

const parse = (oid: number, text: string): unknown => {
  const parser = columnTypes.getTypeParser(oid) as (value: string) => unknown;
  return parser(text);
};

describe('bigint', () => {
  test.each([
    ['0', 0],
    ['-1', -1],
    ['1099511627776', 2 ** 40],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s is a number', (text, value) => expect(parse(20, text)).toBe(value));

  test.each(['9007199254740992', '-9007199254740992', '9223372036854775807'])('%s is refused, not rounded', (text) =>
    expect(() => parse(20, text)).toThrow(UnsafeBigint),
  );

  test('arrays follow the same rule and keep their nulls', () => {
    expect(parse(1016, '{1,NULL,3}')).toEqual([1, null, 3]);
    expect(() => parse(1016, '{9007199254740993}')).toThrow(UnsafeBigint);
  });

  test('other types are read as pg reads them', () => {
    expect(parse(23, '7')).toBe(7);
    expect(parse(1700, '1.50')).toBe('1.50');
    expect(parse(16, 't')).toBe(true);
  });
});

describe('session settings', () => {
  test('become start-up options, with spaces escaped', () => {
    expect(startupOptions('consent', { lock_timeout: 1_000, default_transaction_isolation: 'repeatable read' })).toBe(
      '-c search_path=consent -c client_min_messages=notice -c timezone=UTC ' +
        '-c plan_cache_mode=force_custom_plan -c lock_timeout=1000 ' +
        '-c default_transaction_isolation=repeatable\\ read',
    );
  });

  test.each(['', 'Consent', 'a b', 'a-b', '1a', 'x;drop', '"x"', 'a'.repeat(64)])('%j is no schema name', (schema) =>
    expect(() => checkedSchema(schema)).toThrow(RangeError),
  );
});
