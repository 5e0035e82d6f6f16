import { types } from 'pg';
import type { CustomTypesConfig } from 'pg';

type TypeId = Parameters<typeof types.getTypeParser>[0];

type Parser = (text: string) => unknown;

/** Object ids of `int8` and `int8[]` (pg_type.dat). */
const int8 = 20;
const int8Array = 1016;

/** A bigint that a JavaScript number cannot hold exactly. Cast it to text in the query. */
export class UnsafeBigint extends RangeError {
  override readonly name = 'UnsafeBigint';
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new UnsafeBigint(`bigint ${text} does not fit a number exactly`);
  return value;
}

const textArray = types.getTypeParser(int8Array as TypeId) as (text: string) => (string | null)[];

/** Reads bigint as number: versions (incarnation × 2^40 + counter) stay below 2^53 for 8,191 incarnations. */
export const columnTypes: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format === 'binary') return types.getTypeParser(oid, 'binary') as Parser;
    if (oid === int8) return safeInteger;
    if (oid === int8Array)
      return (text: string) => textArray(text).map((element) => (element === null ? null : safeInteger(element)));
    return types.getTypeParser(oid, 'text') as Parser;
  }) as CustomTypesConfig['getTypeParser'],
};
