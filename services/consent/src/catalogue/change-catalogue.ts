import { uuidv7 } from '@entente/contracts';
import type { Audience, ControllerId } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Clock } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import type { IncarnationCheck } from '../ledger/incarnation.ts';
import { loadCatalogues } from './catalogue-store.ts';
import { decideCatalogueChange } from './decide.ts';
import type { CatalogueCommand } from './decide.ts';
import { noticeHash } from './notice-hash.ts';
import { lockCatalogue, storeCatalogueChange } from './store-change.ts';

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
