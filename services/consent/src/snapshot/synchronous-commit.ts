import { inTransaction, type Pool } from '@entente/postgres';

/**
 * RST-2: a write of its own, committed with `synchronous_commit = on` (set for the whole pool). A server that is no longer
 * the primary cannot do it. A transaction that only takes an id writes nothing and would not wait; this message is written
 * to the log and means nothing to anyone. In a transaction of its own, because only there a warning is heard: one that a
 * statement timeout cut short has committed here alone (RST-1).
 */
export async function synchronousCommit(pool: Pool): Promise<void> {
  await inTransaction(pool, (tx) => tx.query(`SELECT pg_logical_emit_message(true, 'entente', 'synchronous commit')`));
}
