import { createClient, databaseIdentity, inTransaction, type Pool } from '@entente/postgres';

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
  const { systemIdentifier, timeline } = await databaseIdentity(pool);
  return inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<Known>('SELECT * FROM known_database FOR UPDATE');
    const [known] = rows;
    const isSame = known?.system_identifier === systemIdentifier && known.timeline === timeline;
    const nothingLost = known?.synchronous === true && known.system_identifier === systemIdentifier;
    const restored = known !== undefined && !isSame && !nothingLost;
    if (restored) await tx.query(markSql);
    await tx.query(
      `INSERT INTO known_database (system_identifier, timeline, synchronous)
       VALUES ($1, $2, current_setting('synchronous_standby_names') <> '')
       ON CONFLICT (only_row) DO UPDATE SET system_identifier = excluded.system_identifier,
         timeline = excluded.timeline, synchronous = excluded.synchronous`,
      [systemIdentifier, timeline],
    );
    return restored;
  });
}

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
