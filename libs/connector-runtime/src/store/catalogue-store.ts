import { catalogueOf, type Catalogue, type CatalogueDocument, type ControllerId } from '@entente/contracts';
import type { Pool, PoolClient } from '@entente/postgres';

/** The catalogue in use, and what a loss makes of it. */
export interface HeldCatalogue extends Catalogue {
  /** When this database was found to have lost newest commits (RST-3), database milliseconds, or null. */
  readonly restoredAt: number | null;
  /** What was lost has not been compared with the consent service yet (DLV-7). */
  readonly comparisonOwed: boolean;
}

/**
 * DLV-1: the catalogue in use, held still until the transaction ends. Null before the first one is stored. After a restore
 * of this database nobody knows what was shared since the backup, so every recipient counts as preloaded (DLV-7).
 */
export async function catalogueForShare(tx: PoolClient, controller: ControllerId): Promise<HeldCatalogue | null> {
  const { rows } = await tx.query<{
    document: CatalogueDocument;
    restoredAt: number | null;
    comparisonOwed: boolean | null;
  }>({
    name: 'catalogue-share',
    // What a loss has marked was committed before this connection was lent (`DatabaseWatch`), and what a gap has before anything
    // behind it is read (`leaveGap`): neither needs a lock.
    text: `SELECT document, (SELECT (extract(epoch FROM restored_at) * 1000)::float8 FROM known_database) AS "restoredAt",
                  (SELECT comparison_owed_since IS NOT NULL FROM known_database) AS "comparisonOwed"
             FROM catalogue WHERE controller = $1 FOR SHARE`,
    values: [controller],
  });
  const [row] = rows;
  if (row === undefined) return null;
  const { document, restoredAt } = row;
  const catalogue = catalogueOf(restoredAt === null ? document : allPreloaded(document));
  return { ...catalogue, restoredAt, comparisonOwed: row.comparisonOwed ?? false };
}

const allPreloaded = (document: CatalogueDocument): CatalogueDocument => ({
  ...document,
  recipients: document.recipients.map((recipient) => ({ ...recipient, preloaded: true })),
});

/** Stores a whole catalogue unless a newer one stands there. @returns whether it took its place. */
export async function storeCatalogue(
  database: Pool | PoolClient,
  controller: ControllerId,
  document: CatalogueDocument,
): Promise<boolean> {
  const { rowCount } = await database.query(
    `INSERT INTO catalogue (controller, number, document) VALUES ($1, $2, $3)
     ON CONFLICT (controller) DO UPDATE SET number = excluded.number, document = excluded.document
      WHERE catalogue.number < excluded.number`,
    [controller, document.number, JSON.stringify(document)],
  );
  return rowCount === 1;
}

/** Number of the catalogue in use; 0 before the first. */
export async function catalogueNumber(database: Pool | PoolClient, controller: ControllerId): Promise<number> {
  const { rows } = await database.query<{ number: number }>('SELECT number FROM catalogue WHERE controller = $1', [
    controller,
  ]);
  return rows[0]?.number ?? 0;
}

/** The catalogue for change, by whoever applies a record on top of it. */
export async function catalogueForUpdate(tx: PoolClient, controller: ControllerId): Promise<Catalogue | null> {
  const { rows } = await tx.query<{ document: CatalogueDocument }>(
    'SELECT document FROM catalogue WHERE controller = $1 FOR UPDATE',
    [controller],
  );
  const [row] = rows;
  return row === undefined ? null : catalogueOf(row.document);
}
