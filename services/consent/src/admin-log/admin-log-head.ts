import type { LogHead } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

type Reader = Pick<PoolClient, 'query'>;

const headSql = `SELECT number, hash FROM admin_entry ORDER BY number DESC LIMIT 1`;

/** What a checkpoint signs of the admin log; none only where somebody emptied it, since it begins with an entry of its own. */
export async function adminLogHead(db: Reader): Promise<LogHead | undefined> {
  const { rows } = await db.query<LogHead>(headSql);
  return rows[0];
}

/** Whether the log still has this entry. Its link holds everything before it. */
export async function adminLogHolds(db: Reader, { number, hash }: LogHead): Promise<boolean> {
  const { rows } = await db.query<{ hash: Buffer }>('SELECT hash FROM admin_entry WHERE number = $1', [number]);
  return rows[0]?.hash.equals(hash) === true;
}
