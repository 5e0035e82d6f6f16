import type { Logger } from '@entente/observability';
import {
  createClient,
  databaseIdentity,
  DatabaseRightsMissing,
  inTransaction,
  transactionOn,
  type DatabaseIdentity,
  type Pool,
  type PoolClient,
} from '@entente/postgres';

interface Known {
  readonly system_identifier: string;
  readonly timeline: number;
  readonly synchronous: boolean;
}

/** Every upsert reads it with its catalogue; whoever looks at the same row waits for it. */
const markSql = `UPDATE catalogue SET restored_at = clock_timestamp()`;

/**
 * RST-3: a connection to another server, or to another history of the one known, is a restore, unless every commit was
 * acknowledged by whoever could be promoted. @returns whether this database was found restored now
 */
export async function foundRestored(pool: Pool): Promise<boolean> {
  const identity = await databaseIdentity(pool);
  const { restored } = await inTransaction(pool, (tx) => recorded(tx, identity));
  return restored;
}

interface Recorded {
  readonly restored: boolean;
  /** Whoever is promoted next has acknowledged every commit. */
  readonly synchronous: boolean;
}

async function recorded(tx: PoolClient, { systemIdentifier, timeline }: DatabaseIdentity): Promise<Recorded> {
  const { rows } = await tx.query<Known>('SELECT * FROM known_database FOR UPDATE');
  const [known] = rows;
  const isSame = known?.system_identifier === systemIdentifier && known.timeline === timeline;
  const nothingLost = known?.synchronous === true && known.system_identifier === systemIdentifier;
  const restored = known !== undefined && !isSame && !nothingLost;
  if (restored) await tx.query(markSql);
  const written = await tx.query<Known>(
    `INSERT INTO known_database (system_identifier, timeline, synchronous)
     VALUES ($1, $2, current_setting('synchronous_standby_names') <> '')
     ON CONFLICT (only_row) DO UPDATE SET system_identifier = excluded.system_identifier,
       timeline = excluded.timeline, synchronous = excluded.synchronous
     RETURNING synchronous`,
    [systemIdentifier, timeline],
  );
  return { restored, synchronous: written.rows[0]?.synchronous ?? false };
}

export interface DatabaseWatchOptions {
  readonly log: Logger;
  /** The newest commits may be lost, whatever this process remembers of them. */
  readonly onLost: () => void;
  readonly identityOf?: (client: PoolClient) => Promise<DatabaseIdentity>;
}

/**
 * RST-3 for one process: each new connection is asked which database it is before anything is written through it, for a failover
 * ends every connection there was. So no row is settled on a database whose losses nobody has reckoned with, and what was
 * remembered of the one before is forgotten, also where another process has recorded the new one first.
 */
export class DatabaseWatch {
  readonly #options: DatabaseWatchOptions;
  #seen: (DatabaseIdentity & Pick<Recorded, 'synchronous'>) | null = null;

  constructor(options: DatabaseWatchOptions) {
    this.#options = options;
  }

  /** For `PoolOptions.onConnect`. */
  async connected(client: PoolClient): Promise<void> {
    const { identityOf = databaseIdentity } = this.#options;
    try {
      const identity = await identityOf(client);
      if (isSame(this.#seen, identity)) return;
      // Before the first migration there is nothing to lose.
      const { rows } = await client.query<{ there: boolean }>(
        `SELECT to_regclass('known_database') IS NOT NULL AS there`,
      );
      if (rows[0]?.there !== true) return;
      this.#saw(identity, await transactionOn(client, (tx) => recorded(tx, identity)));
    } catch (err) {
      if (!(err instanceof DatabaseRightsMissing)) throw err;
      this.#options.log.warn({ err }, 'the database was not asked who it is');
    }
  }

  #saw(identity: DatabaseIdentity, { restored, synchronous }: Recorded): void {
    const before = this.#seen;
    // Another connection of this process was first.
    if (isSame(before, identity)) return;
    this.#seen = { ...identity, synchronous };
    const goesOn = before === null || (before.synchronous && before.systemIdentifier === identity.systemIdentifier);
    if (restored || !goesOn) this.#options.onLost();
  }
}

const isSame = (seen: DatabaseIdentity | null, { systemIdentifier, timeline }: DatabaseIdentity): boolean =>
  seen?.systemIdentifier === systemIdentifier && seen.timeline === timeline;

/**
 * For a copy put back in the place of the database, which looks like the one known: from here on every recipient of this
 * connector counts as preloaded (DLV-7). @returns false where the schema holds no connector's tables
 */
export async function markRestored(databaseUrl: string, schema: string): Promise<boolean> {
  const client = createClient({ url: databaseUrl, schema, name: 'entente-restore' });
  await client.connect();
  try {
    const { rows } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('delivery') IS NOT NULL AND to_regclass('known_database') IS NOT NULL AS there`,
    );
    if (rows[0]?.there !== true) return false;
    await client.query(markSql);
    return true;
  } finally {
    await client.end();
  }
}
