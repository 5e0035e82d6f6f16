import { decodeEvent } from '@entente/contracts';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import type { Kafka } from '@entente/kafka';
import { tpKey } from '@entente/kafka';
import { loadCatalogues } from '../catalogue/catalogue-store.ts';
import { lockCatalogue, storeCatalogueChange } from '../catalogue/store-change.ts';
import { pagesOf } from './log-reader.ts';
import type { LogRange } from './log-reader.ts';
import { nextNumber, restoredCatalogue } from './restored-catalogue.ts';
import type { LostCatalogueChange } from './restored-catalogue.ts';

const knownSql = `SELECT event_id AS id FROM catalogue_change WHERE event_id = ANY ($1::uuid[])`;
const changedSinceSql = `
  SELECT id FROM purpose WHERE controller = $1 AND changed_in >= $2
   UNION ALL SELECT id FROM recipient WHERE controller = $1 AND changed_in >= $2`;

/** The catalogue's records that the database does not know, in the order of their numbers. */
export async function lostCatalogueChanges(
  pool: Pool,
  kafka: Kafka,
  log: LogRange,
  ends: ReadonlyMap<string, bigint>,
): Promise<LostCatalogueChange[]> {
  const lost = new Map<string, LostCatalogueChange>();
  for await (const page of pagesOf(kafka, log, ends.get(tpKey(log)) ?? 0n)) {
    const events = page.flatMap(({ headers, value }) => {
      const event = headers['ce_type'] === 'org.entente.catalogue.changed.v1' ? decodeEvent(headers, value) : null;
      return event?.type === 'org.entente.catalogue.changed.v1' ? [event] : [];
    });
    const { rows } = await pool.query<{ id: string }>(knownSql, [events.map(({ id }) => id)]);
    const known = new Set(rows.map(({ id }) => id));
    for (const { id, data } of events) if (!known.has(id)) lost.set(id, { eventId: id, change: data });
  }
  return [...lost.values()].sort((a, b) => a.change.number - b.change.number);
}

/** Takes the lost records into the catalogue, each in a transaction of its own. */
export async function mergeCatalogue(pool: Pool, lost: readonly LostCatalogueChange[]): Promise<void> {
  const [first] = lost;
  if (first === undefined) return;
  const highest = Math.max(...lost.map(({ change }) => change.number));
  const { rows } = await pool.query<{ number: number }>('SELECT number FROM catalogue');
  const diverged = (rows[0]?.number ?? 0) >= first.change.number;
  for (const one of lost)
    await inTransaction(pool, (tx) => mergeOne(tx, one, { since: first.change.number, highest, diverged }));
}

async function mergeOne(
  tx: PoolClient,
  lost: LostCatalogueChange,
  { since, highest, diverged }: { since: number; highest: number; diverged: boolean },
): Promise<void> {
  await lockCatalogue(tx);
  const { controller } = lost.change;
  const catalogues = await loadCatalogues(tx);
  const { rows } = await tx.query<{ id: string }>(changedSinceSql, [controller, since]);
  const changedHere = new Set(diverged ? rows.map(({ id }) => id) : []);
  const restored = restoredCatalogue(catalogues.of(controller), lost, changedHere);
  const number = nextNumber(catalogues.number, lost.change, highest, diverged);
  await storeCatalogueChange(tx, {
    eventId: lost.eventId,
    client: 'entente restore',
    change: { controller, number, ...restored },
  });
}
