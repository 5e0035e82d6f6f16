import type { Pool } from '@entente/postgres';

/**
 * RST-2: a write of its own, committed with `synchronous_commit = on` (set for the whole pool). A server that is no longer
 * the primary cannot do it. A transaction that only takes an id writes nothing and would not wait; this message is written
 * to the log and means nothing to anyone.
 */
export async function synchronousCommit(pool: Pool): Promise<void> {
  await pool.query(`SELECT pg_logical_emit_message(true, 'entente', 'synchronous commit')`);
}
