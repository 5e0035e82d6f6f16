import { topics } from '@entente/contracts';
import type { CatalogueChange } from '@entente/contracts';
import { appendOutbox } from '@entente/outbox';
import type { PoolClient } from '@entente/postgres';

/** Every controller's changes take turns here, which is what makes the numbers gapless (REC-9). */
const lockSql = 'SELECT number FROM catalogue FOR UPDATE';

const storeSql = `
  WITH raised AS (UPDATE catalogue SET number = $1),
  purposes AS (
    INSERT INTO purpose (controller, id, document, changed_in)
    SELECT $2, d ->> 'id', d, $1 FROM jsonb_array_elements($3::jsonb) d
    ON CONFLICT (controller, id) DO UPDATE SET document = excluded.document, changed_in = excluded.changed_in
  ),
  notices AS (
    INSERT INTO notice (controller, id, version, document, changed_in)
    SELECT $2, d ->> 'id', (d ->> 'version')::int, d, $1 FROM jsonb_array_elements($4::jsonb) d
  ),
  recipients AS (
    INSERT INTO recipient (controller, id, document, changed_in)
    SELECT $2, d ->> 'id', d, $1 FROM jsonb_array_elements($5::jsonb) d
    ON CONFLICT (controller, id) DO UPDATE SET document = excluded.document, changed_in = excluded.changed_in
  )
  INSERT INTO catalogue_change (number, controller, event_id, client, change, committed_at)
  VALUES ($1, $2, $6, $7, $8, clock_timestamp())`;

/** Whoever changes the catalogue takes turns; call before it is read. */
export async function lockCatalogue(tx: PoolClient): Promise<void> {
  await tx.query(lockSql);
}

export interface CatalogueRecord {
  readonly eventId: string;
  /** Who changed it. */
  readonly client: string;
  readonly change: CatalogueChange;
}

/** REC-9: the items, the number, and the record that tells of them. */
export async function storeCatalogueChange(
  tx: PoolClient,
  { eventId, client, change }: CatalogueRecord,
): Promise<void> {
  const { controller, number, purposes, notices, recipients } = change;
  const items = [purposes, notices, recipients].map((list) => JSON.stringify(list));
  await tx.query(storeSql, [number, controller, ...items, eventId, client, JSON.stringify(change)]);
  await appendOutbox(tx, [
    {
      eventId,
      topic: topics.catalogue,
      key: controller,
      type: 'org.entente.catalogue.changed.v1',
      payload: change,
      lane: 'urgent',
      // The topic has one partition.
      shard: 0,
    },
  ]);
}
