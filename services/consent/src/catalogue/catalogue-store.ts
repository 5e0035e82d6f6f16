import { catalogueOf, emptyCatalogue } from '@entente/contracts';
import type { Catalogue, ControllerId, Notice, Purpose, Recipient } from '@entente/contracts';
import type { Pool, PoolClient } from '@entente/postgres';

/** Every controller's catalogue, all as of one number. */
export interface Catalogues {
  readonly number: number;
  readonly of: (controller: ControllerId) => Catalogue;
}

interface ItemsRow {
  readonly controller: ControllerId;
  readonly purposes: Purpose[];
  readonly notices: Notice[];
  readonly recipients: Recipient[];
}

/** One statement, hence one snapshot: number and items belong together (REC-9). */
const loadSql = `
  SELECT c.number, COALESCE((
    SELECT jsonb_agg(jsonb_build_object('controller', k.controller,
      'purposes', COALESCE((SELECT jsonb_agg(document ORDER BY id) FROM purpose p WHERE p.controller = k.controller), '[]'),
      'notices', COALESCE((SELECT jsonb_agg(document ORDER BY id, version) FROM notice n WHERE n.controller = k.controller), '[]'),
      'recipients', COALESCE((SELECT jsonb_agg(document ORDER BY id) FROM recipient r WHERE r.controller = k.controller), '[]')))
      FROM (SELECT controller FROM purpose UNION SELECT controller FROM notice UNION SELECT controller FROM recipient) k
  ), '[]') AS controllers
  FROM catalogue c`;

export async function loadCatalogues(database: Pick<PoolClient, 'query'>): Promise<Catalogues> {
  const { rows } = await database.query<{ number: number; controllers: ItemsRow[] }>(loadSql);
  const [row] = rows;
  if (row === undefined) throw new Error('the catalogue row is missing');
  const { number } = row;
  const byController = new Map(row.controllers.map((items) => [items.controller, catalogueOf({ number, ...items })]));
  return { number, of: (controller) => byController.get(controller) ?? { ...emptyCatalogue, number } };
}

/** The catalogue last loaded; used only while its number is the one the transaction reads. */
export class CatalogueCache {
  #held: Catalogues | undefined;

  /** The catalogues as of `number` or, when the number has moved on meanwhile, of the newer one that is returned. */
  async at(number: number, client: PoolClient): Promise<Catalogues> {
    if (this.#held?.number === number) return this.#held;
    const loaded = await loadCatalogues(client);
    // Another transaction may have loaded a newer one while this one waited.
    if (this.#held === undefined || loaded.number > this.#held.number) this.#held = loaded;
    return loaded;
  }
}

/** Reads the catalogue for those who ask. */
export class CatalogueReader {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async of(controller: ControllerId): Promise<Catalogue> {
    return (await loadCatalogues(this.#pool)).of(controller);
  }
}
