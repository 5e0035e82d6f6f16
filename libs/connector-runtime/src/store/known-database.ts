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
  readonly restored_at: Date | null;
}

/** In the row of a database that nobody could ask who it is. */
const unnamed = '';

/** For who cannot tell, or need not say, which database this is. */
export const markSql = `
  INSERT INTO known_database (system_identifier, timeline, synchronous, restored_at)
  VALUES ('${unnamed}', 0, false, clock_timestamp())
  ON CONFLICT (only_row) DO UPDATE SET restored_at = excluded.restored_at`;

const oweSql = `
  INSERT INTO known_database (system_identifier, timeline, synchronous, comparison_owed_since)
  VALUES ('${unnamed}', 0, false, clock_timestamp())
  ON CONFLICT (only_row) DO UPDATE SET comparison_owed_since = excluded.comparison_owed_since`;

const thereSql = `
  SELECT EXISTS (SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('known_database') AND attname = 'restored_at') AS there`;

const connectorSql = `
  SELECT to_regclass('delivery') IS NOT NULL AND to_regclass('known_database') IS NOT NULL AS there`;

const answersYes = async (client: Pick<PoolClient, 'query'>, sql: string): Promise<boolean> =>
  (await client.query<{ there: boolean }>(sql)).rows[0]?.there === true;

interface Recorded {
  /** The newest commits may be lost. */
  readonly restored: boolean;
  /** Whoever is promoted next has acknowledged every commit. */
  readonly synchronous: boolean;
}

type Seen = DatabaseIdentity & Pick<Recorded, 'synchronous'>;

/**
 * RST-3: another server, or another history of the one known, is a restore, unless every commit was acknowledged by whoever
 * could be promoted. By the row that is there, which may be as old as the copy, and by what this process has seen itself.
 */
async function recorded(tx: PoolClient, identity: DatabaseIdentity, seen: Seen | null): Promise<Recorded> {
  const { rows } = await tx.query<Known>('SELECT * FROM known_database FOR UPDATE');
  const [known] = rows;
  const { systemIdentifier, timeline } = identity;
  // A row that says only that logs had a gap tells of no database.
  const tells = known !== undefined && (known.system_identifier !== unnamed || known.restored_at !== null);
  const byRow = tells && {
    systemIdentifier: known.system_identifier,
    timeline: known.timeline,
    synchronous: known.synchronous,
  };
  const restored = [byRow, seen].some((before) => before && mayHaveLost(before, identity));
  const written = await tx.query<Known>(
    `INSERT INTO known_database (system_identifier, timeline, synchronous, restored_at, comparison_owed_since)
     SELECT $1, $2, current_setting('synchronous_standby_names') <> '', lost.at, lost.at
       FROM (SELECT CASE WHEN $3::boolean THEN clock_timestamp() END AS at) lost
     ON CONFLICT (only_row) DO UPDATE SET system_identifier = excluded.system_identifier,
       timeline = excluded.timeline, synchronous = excluded.synchronous,
       restored_at = coalesce(excluded.restored_at, known_database.restored_at),
       comparison_owed_since = coalesce(excluded.comparison_owed_since, known_database.comparison_owed_since)
     RETURNING synchronous`,
    [systemIdentifier, timeline, restored],
  );
  return { restored, synchronous: written.rows[0]?.synchronous ?? false };
}

const mayHaveLost = (before: Omit<Seen, 'inRecovery'>, now: DatabaseIdentity): boolean =>
  !isSame(before, now) && !(before.synchronous && before.systemIdentifier === now.systemIdentifier);

/**
 * Since when a comparison with the consent service is owed (DLV-7), as text; null where none is. It is kept beside the rows that
 * may be missing: a process that ends before it has compared leaves it to the next.
 */
export async function comparisonOwed(pool: Pool): Promise<string | null> {
  const { rows } = await pool.query<{ since: string | null }>(
    'SELECT comparison_owed_since::text AS since FROM known_database',
  );
  return rows[0]?.since ?? null;
}

/** DLV-7: logs have lost something. To be stored before anything that lies behind the gap is taken. */
export const oweComparison = async (database: Pool | PoolClient): Promise<void> => {
  await database.query(oweSql);
};

/** To be called once a comparison that began after `since` has succeeded; one owed since later stays owed. */
export async function comparisonMade(pool: Pool, since: string): Promise<void> {
  await pool.query(
    'UPDATE known_database SET comparison_owed_since = NULL WHERE comparison_owed_since = $1::timestamptz',
    [since],
  );
}

export interface DatabaseWatchOptions {
  readonly log: Logger;
  /** The newest commits may be lost, whatever this process remembers of them. */
  readonly onLost: () => void;
  readonly identityOf?: (client: Pool | PoolClient) => Promise<DatabaseIdentity>;
}

/**
 * RST-3 for one process: each new connection is asked which database it is before anything is written through it. A failover
 * ends every connection to the server before, and one made to a standby is given up, for it would outlive the promotion unasked.
 * So no row is settled on a database whose losses nobody has reckoned with, and what was remembered of the one before is
 * forgotten, also where another process has recorded the new one first.
 */
export class DatabaseWatch {
  readonly #options: DatabaseWatchOptions;
  #seen: Seen | null = null;

  constructor(options: DatabaseWatchOptions) {
    this.#options = options;
  }

  /** For `PoolOptions.onConnect`. */
  async connected(client: PoolClient): Promise<void> {
    const { identityOf = databaseIdentity } = this.#options;
    try {
      const identity = await identityOf(client);
      if (identity.inRecovery)
        throw new Error('this database server is in recovery: nothing can be written through it');
      if (this.#seen !== null && isSame(this.#seen, identity)) return;
      // Before this build's migrations nothing is done here but saying that they are missing.
      const { rows } = await client.query<{ there: boolean }>(thereSql);
      if (rows[0]?.there !== true) return;
      this.#saw(identity, await transactionOn(client, (tx) => recorded(tx, identity, this.#seen)));
    } catch (err) {
      if (!(err instanceof DatabaseRightsMissing)) throw err;
      this.#options.log.warn({ err }, 'the database was not asked who it is');
    }
  }

  /** Now and then: whether a standby acknowledges commits can change without a new connection. */
  async look(pool: Pool): Promise<void> {
    const { identityOf = databaseIdentity } = this.#options;
    const identity = await identityOf(pool);
    this.#saw(identity, await inTransaction(pool, (tx) => recorded(tx, identity, this.#seen)));
  }

  #saw(identity: DatabaseIdentity, { restored, synchronous }: Recorded): void {
    this.#seen = { ...identity, synchronous };
    if (restored) this.#options.onLost();
  }
}

const isSame = (
  before: Pick<DatabaseIdentity, 'systemIdentifier' | 'timeline'>,
  { systemIdentifier, timeline }: DatabaseIdentity,
): boolean => before.systemIdentifier === systemIdentifier && before.timeline === timeline;

/**
 * For a copy put back in the place of the database, which looks like the one known: from here on every recipient of this
 * connector counts as preloaded (DLV-7). @returns false where the schema holds no connector's tables
 * @throws where they are those of an older build: its mark would be written where this one does not read it
 */
export async function markRestored(databaseUrl: string, schema: string): Promise<boolean> {
  const client = createClient({ url: databaseUrl, schema, name: 'entente-restore' });
  await client.connect();
  try {
    if (!(await answersYes(client, connectorSql))) return false;
    if (!(await answersYes(client, thereSql)))
      throw new Error(`the tables of ${schema} are older than this build: run entente migrate, then this again`);
    await client.query(markSql);
    return true;
  } finally {
    await client.end();
  }
}
