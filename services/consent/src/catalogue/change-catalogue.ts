import { topics, uuidv7 } from '@entente/contracts';
import type { Audience, CatalogueChange, ControllerId } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Clock } from '@entente/observability';
import { appendOutbox } from '@entente/outbox';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import type { IncarnationCheck } from '../ledger/incarnation.ts';
import { loadCatalogues } from './catalogue-store.ts';
import { decideCatalogueChange } from './decide.ts';
import type { CatalogueCommand } from './decide.ts';
import { noticeHash } from './notice-hash.ts';

/** The number in force after the request, and whether this request made it. */
export interface CatalogueAnswer {
  readonly number: number;
  readonly changed: boolean;
}

export interface CatalogueWriterParts {
  readonly pool: Pool;
  readonly incarnation: IncarnationCheck;
  readonly audiences: ReadonlySet<Audience>;
  readonly clock: Clock;
  readonly onCommitted: () => void;
}

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

/** REC-9: one transaction = one number = one record on `consent.catalogue.v1`. */
export class CatalogueWriter {
  readonly #parts: CatalogueWriterParts;

  constructor(parts: CatalogueWriterParts) {
    this.#parts = parts;
  }

  async change(controller: ControllerId, client: string, command: CatalogueCommand): Promise<CatalogueAnswer> {
    const { pool, incarnation, onCommitted } = this.#parts;
    const { answer, checked } = await inTransaction(pool, async (tx) => {
      const checked = await incarnation.first(tx);
      return { answer: await this.#changeIn(tx, controller, client, command), checked };
    });
    checked();
    onCommitted();
    return answer;
  }

  async #changeIn(
    tx: PoolClient,
    controller: ControllerId,
    client: string,
    command: CatalogueCommand,
  ): Promise<CatalogueAnswer> {
    await lockCatalogue(tx);
    const catalogues = await loadCatalogues(tx);
    const { audiences } = this.#parts;
    const decision = decideCatalogueChange(command, {
      held: catalogues.of(controller),
      audiences,
      hashOf: noticeHash,
    });
    switch (decision.kind) {
      case 'refused':
        throw new Refusal(decision.code, decision.status, 'The catalogue change is not possible as asked.', {
          errors: decision.errors,
        });
      case 'unchanged':
        return { number: catalogues.number, changed: false };
      case 'changed': {
        const number = catalogues.number + 1;
        const eventId = uuidv7(this.#parts.clock.now());
        await storeCatalogueChange(tx, { eventId, client, change: { controller, number, ...decision.difference } });
        return { number, changed: true };
      }
    }
  }
}

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
