import { tpKey, type TP } from '@entente/kafka';
import { inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { oweComparison } from './known-database.ts';

/** Next offsets wanted, for partitions that were read before. */
export async function storedPositions(pool: Pool, tps: readonly TP[]): Promise<Map<string, bigint>> {
  const { rows } = await pool.query<TP & { next: string }>(
    `SELECT topic, partition, next_offset::text AS next FROM kafka_offset
      WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::int[]))`,
    [tps.map((tp) => tp.topic), tps.map((tp) => tp.partition)],
  );
  return new Map(rows.map((row) => [tpKey(row), BigInt(row.next)]));
}

/** How far a partition has been worked off. */
export interface Position {
  readonly tp: TP;
  readonly next: bigint;
}

/** DLV-1: in the transaction of what the records did. A late writer of an older position changes nothing. */
export async function storePositions(tx: PoolClient, positions: readonly Position[]): Promise<void> {
  await tx.query({
    name: 'position-store',
    text: `INSERT INTO kafka_offset (topic, partition, next_offset)
           SELECT topic, partition, max(next) FROM unnest($1::text[], $2::int[], $3::bigint[]) AS n(topic, partition, next)
            GROUP BY topic, partition ORDER BY topic, partition
           ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
            WHERE kafka_offset.next_offset < excluded.next_offset`,
    values: [
      positions.map(({ tp }) => tp.topic),
      positions.map(({ tp }) => tp.partition),
      positions.map(({ next }) => next.toString()),
    ],
  });
}

/** The stored offset lies outside the log: the log was lost or cut, and reading begins anew. */
export async function forgetPosition(database: Pool | PoolClient, { topic, partition }: TP): Promise<void> {
  await database.query('DELETE FROM kafka_offset WHERE topic = $1 AND partition = $2', [topic, partition]);
}

/**
 * The same in a log of decisions: that a comparison is owed stands there before anything behind the gap is read:
 * a newer version that steps over a missed denial answers for it (`mayHideDenial`, TRK-1).
 */
export const leaveGap = (pool: Pool, tp: TP): Promise<void> =>
  inTransaction(pool, async (tx) => {
    await oweComparison(tx);
    await forgetPosition(tx, tp);
  });
