import type { Identifiers } from '@entente/contracts';

/** One row of a payload: [EMAIL, PHONE], SHA-256 in lower hex exactly as recorded, '' where unknown. */
export type Row = readonly [email: string, phone: string];

export const schema = ['EMAIL', 'PHONE'] as const;

/** Rows per call (partner-apis.md §1). */
export const rowLimit = 10_000;

const key = (row: Row): string => row.join(' ');

/** Each recorded set of hashes once. */
export function rowsOf(identifiers: readonly Identifiers[]): Row[] {
  const rows = new Map<string, Row>();
  for (const set of identifiers) {
    const row: Row = [set['meta-email'] ?? '', set['meta-phone'] ?? ''];
    if (row[0] !== '' || row[1] !== '') rows.set(key(row), row);
  }
  return [...rows.values()];
}

const isHash = (value: string): boolean => value === '' || /^[0-9a-f]{64}$/.test(value);

/** A row Meta can never take, whatever we repeat. */
export const isMalformed = (row: Row): boolean => !row.every(isHash);
