import {
  allowedPurposes,
  applyCatalogueChange,
  documentOf,
  type Catalogue,
  type CatalogueDocument,
  type ControllerId,
  type RecipientId,
} from '@entente/contracts';
import type { InRecord, TP } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool } from '@entente/postgres';
import { onCatalogue } from '../delivery-step/delivery-step.ts';
import { catalogueForShare, catalogueForUpdate, catalogueNumber, storeCatalogue } from '../store/catalogue-store.ts';
import {
  anySharedUnheard,
  databaseNow,
  lockOutdated,
  writeRows,
  type DeliveryRow,
  type RowKey,
} from '../store/delivery-rows.ts';
import { recordEnforcements } from '../store/enforcement-outbox.ts';
import { storePositions } from '../store/log-positions.ts';
import { quarantine, type Unreadable } from '../store/quarantine.ts';
import { factsOf, told } from './delivery-upsert.ts';
import { decoded } from './decode-batch.ts';

/** How long an event waits for the catalogue it names before it is judged by the one at hand (a deny must go on). */
const patienceMs = 2_000;
const pollMs = 50;
/** Rows per transaction of the recompute. */
const chunkSize = 500;

export interface CatalogueKeeperOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly clock: Clock;
  readonly log: Logger;
  /** The whole catalogue from the consent service (REC-9). */
  readonly fetchCatalogue: () => Promise<CatalogueDocument>;
  readonly wake: (recipients: readonly RecipientId[]) => void;
  /** Asks for a comparison with the consent service's snapshot (DLV-7). */
  readonly reconcile: () => void;
}

/** The catalogue in the runtime's schema (DLV-1): number n only as a whole or on top of n − 1 (REC-9). */
export class CatalogueKeeper {
  readonly #options: CatalogueKeeperOptions;
  #known = 0;
  #fetching: Promise<void> | undefined;
  #recomputing: Promise<void> = Promise.resolve();

  constructor(options: CatalogueKeeperOptions) {
    this.#options = options;
  }

  /** Takes the stored catalogue, or asks for the first one; finishes a recompute that a restart cut short. */
  async open(): Promise<void> {
    this.#known = await catalogueNumber(this.#options.pool, this.#options.controller);
    if (this.#known === 0) await this.#fetch();
    else await this.#recomputed();
  }

  get number(): number {
    return this.#known;
  }

  async receive(tp: TP, records: readonly InRecord[]): Promise<void> {
    const { pool, controller, log } = this.#options;
    const last = records.at(-1);
    if (last === undefined) return;
    const unreadable: Unreadable[] = [];
    let holed = false;
    await inTransaction(pool, async (tx) => {
      const held = await catalogueForUpdate(tx, controller);
      let catalogue: Catalogue | null = held;
      for (const record of records) {
        const event = decoded(record);
        if ('record' in event) unreadable.push(event);
        else if (event.type === 'org.entente.catalogue.changed.v1')
          catalogue = catalogue && applyCatalogueChange(catalogue, event.data, controller);
      }
      if (catalogue === null || unreadable.length > 0) holed = true;
      else if (catalogue !== held) await storeCatalogue(tx, controller, documentOf(catalogue));
      await quarantine(tx, unreadable);
      // Behind a hole the position waits until the whole catalogue was taken: the records come again.
      if (!holed) await storePositions(tx, [{ tp, next: last.offset + 1n }]);
    });
    for (const { record, reason } of unreadable)
      log.error({ topic: tp.topic, offset: record.offset.toString(), reason }, 'record quarantined');
    if (holed) {
      await this.#fetch();
      await inTransaction(pool, (tx) => storePositions(tx, [{ tp, next: last.offset + 1n }]));
    }
    await this.#refresh();
    await this.#recomputed();
  }

  /** For an event that was decided by catalogue `number`: waits until it stands here, but not for ever. */
  async atLeast(number: number): Promise<void> {
    const { clock, log } = this.#options;
    const until = clock.monotonic() + patienceMs;
    while (this.#known < number) {
      await this.#fetch().catch((err: unknown) => log.warn({ err }, 'catalogue not available'));
      if (this.#known >= number) break;
      if (clock.monotonic() >= until) {
        // Without any catalogue nothing can be computed: the records are handed again.
        if (this.#known === 0) throw new Error('no catalogue is known yet');
        return log.warn({ known: this.#known, number }, 'event judged by an older catalogue');
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  async #fetch(): Promise<void> {
    this.#fetching ??= this.#take().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #take(): Promise<void> {
    const { pool, controller, fetchCatalogue, log } = this.#options;
    const tookItsPlace = await storeCatalogue(pool, controller, await fetchCatalogue());
    await this.#refresh();
    // Not awaited: an event that waits for its catalogue does not wait for all other rows.
    if (tookItsPlace)
      this.#recomputed().catch((err: unknown) => log.error({ err }, 'recompute failed; next change repeats it'));
  }

  async #refresh(): Promise<void> {
    this.#known = await catalogueNumber(this.#options.pool, this.#options.controller);
  }

  #recomputed(): Promise<void> {
    this.#recomputing = this.#recomputing.then(
      () => this.#recompute(),
      () => this.#recompute(),
    );
    return this.#recomputing;
  }

  /** DLV-1: begins after the newer catalogue has committed, so no upsert can write a row by the older one behind it. */
  async #recompute(): Promise<void> {
    const { pool, controller, log, wake } = this.#options;
    let after: RowKey | null = null;
    for (;;) {
      const chunk: DeliveryRow[] = await inTransaction(pool, async (tx) => {
        const catalogue = await catalogueForShare(tx, controller);
        if (catalogue === null) return [];
        const rows = await lockOutdated(tx, controller, catalogue.number, after, chunkSize);
        const now = await databaseNow(tx);
        const stepped = rows.map((row) => {
          const desired = allowedPurposes(row.vector ?? undefined, catalogue, row.recipient, now);
          const recomputed = { desired, catalogue: catalogue.number, now };
          const { delivery, enforcements } = onCatalogue(row, recomputed, factsOf(catalogue, row.recipient));
          return { row: { ...row, ...delivery }, enforcements };
        });
        await writeRows(
          tx,
          controller,
          stepped.map(({ row }) => row),
        );
        await recordEnforcements(
          tx,
          controller,
          stepped.flatMap(({ row, enforcements }) => enforcements.map((e) => told(row, e, now))),
        );
        return stepped.map(({ row }) => row);
      });
      after = chunk.at(-1) ?? null;
      if (after === null) break;
      const due = [...new Set(chunk.filter(({ state }) => state === 'due').map(({ recipient }) => recipient))];
      if (due.length > 0) {
        notifyOutbox(pool, log, ['normal']);
        wake(due);
      }
    }
    // People whom the gate knows from its snapshot alone: the logs that reached us said nothing of them.
    if (await anySharedUnheard(pool, controller)) this.#options.reconcile();
  }
}
