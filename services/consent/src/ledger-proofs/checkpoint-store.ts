import type { PoolClient } from '@entente/postgres';

/** A checkpoint as this service signed it. */
export interface SignedCheckpoint {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}

const newestSql = `SELECT size, root, note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1`;

export async function newestCheckpoint(db: Pick<PoolClient, 'query'>): Promise<SignedCheckpoint | null> {
  const { rows } = await db.query<SignedCheckpoint>(newestSql);
  return rows[0] ?? null;
}

export async function keepCheckpoint(
  tx: Pick<PoolClient, 'query'>,
  { size, root, note }: SignedCheckpoint,
): Promise<void> {
  await tx.query('INSERT INTO ledger_checkpoint (size, root, note) VALUES ($1, $2, $3)', [size, root, note]);
}
