import { DatabaseError } from 'pg';
import type { Pool, PoolClient } from 'pg';

/**
 * The transaction may or may not have been committed (RST-1): nobody may be answered as if it had,
 * and whoever repeats it must find out by reading first.
 */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown';
}

/**
 * Errors with these SQLSTATE classes end the session, so they say nothing about the commit:
 * connection (08), operator intervention that terminates (57P), system (58), internal (XX), session timeouts (25P0x).
 */
const sessionEnding = /^(08|57P|58|XX|25P0)/;
/** SQLSTATE of a NOTICE that is no warning. */
const successfulCompletion = '00000';

/** BEGIN, `work`, COMMIT; ROLLBACK and the original error when `work` throws. */
export async function inTransaction<T>(pool: Pool, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query('BEGIN');
    const result = await work(client).catch(async (error: unknown) => {
      broken = !(await rolledBack(client));
      throw error;
    });
    try {
      await commit(client);
    } catch (error) {
      broken = error instanceof CommitUnknown || !(await rolledBack(client));
      throw error;
    }
    broken = false;
    return result;
  } finally {
    // A connection in an unknown state is closed, never given to the next caller.
    client.release(broken);
  }
}

/** The same on a connection of the caller's, who closes it when this throws. */
export async function transactionOn<T>(client: PoolClient, work: (tx: PoolClient) => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  const result = await work(client);
  await commit(client);
  return result;
}

async function commit(client: PoolClient): Promise<void> {
  const warnings: string[] = [];
  const onNotice = (notice: { code?: string | undefined; severity?: string | undefined }) => {
    if (notice.code !== successfulCompletion) warnings.push(notice.code ?? 'without code');
  };
  client.on('notice', onNotice);
  try {
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new CommitUnknown(`COMMIT was answered with ${command}`);
  } catch (error) {
    if (error instanceof CommitUnknown) throw error;
    const wasRefused = error instanceof DatabaseError && !sessionEnding.test(error.code ?? '');
    throw wasRefused ? error : new CommitUnknown('the connection ended during COMMIT', { cause: error });
  } finally {
    client.off('notice', onNotice);
  }
  if (warnings.length > 0) throw new CommitUnknown(`COMMIT was answered with a warning (${warnings.join(', ')})`);
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    // The connection is gone, and the transaction with it; the caller closes it and reports the first error.
    () => false,
  );
}
