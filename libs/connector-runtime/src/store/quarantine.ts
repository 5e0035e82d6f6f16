import type { InRecord } from '@entente/kafka';
import type { PoolClient } from '@entente/postgres';

export interface Unreadable {
  readonly record: InRecord;
  readonly reason: string;
}

/** design.md §4: a record nobody can read is remembered by its place; it never stalls the others. */
export async function quarantine(tx: PoolClient, unreadable: readonly Unreadable[]): Promise<void> {
  if (unreadable.length === 0) return;
  await tx.query(
    `INSERT INTO quarantine (topic, partition, "offset", key, reason)
     SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING`,
    [
      unreadable.map(({ record }) => record.topic),
      unreadable.map(({ record }) => record.partition),
      unreadable.map(({ record }) => record.offset.toString()),
      unreadable.map(({ record }) => keyText(record)),
      unreadable.map(({ reason }) => reason),
    ],
  );
}

/** A key as text for the operator, without what Postgres cannot hold. */
const keyText = ({ key }: InRecord): string | null => key?.toString('utf8').replaceAll('\0', '').slice(0, 200) ?? null;
