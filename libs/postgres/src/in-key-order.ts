import type { Pool, QueryResultRow } from 'pg';
import { inTransaction } from './transaction.ts';

/**
 * Reads a page that a key's index gives in order. A table without statistics (restored from a backup, or just loaded) looks
 * small to the planner, which would sort all that is left of it again for every page.
 */
export function inKeyOrder<Row extends QueryResultRow>(
  pool: Pool,
  page: { readonly name?: string; readonly text: string; readonly values: unknown[] },
): Promise<Row[]> {
  return inTransaction(pool, async (tx) => {
    await tx.query('SET LOCAL enable_sort = off');
    return (await tx.query<Row>(page)).rows;
  });
}
