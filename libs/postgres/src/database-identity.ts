import { DatabaseError } from 'pg';
import type { Pool, PoolClient } from 'pg';

/** Which database this is and which history of it; when either differs, the incarnation is raised first (RST-1). */
export interface DatabaseIdentity {
  /** 64 bits, as decimal text: more than a number holds. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** A standby: what is read here may lag, and nothing can be written. */
  readonly inRecovery: boolean;
}

/** The role may not read what RST-1 needs. */
export class DatabaseRightsMissing extends Error {
  override readonly name = 'DatabaseRightsMissing';
}

const insufficientPrivilege = '42501';

/**
 * A primary's timeline is read from its current WAL position: the control file's is that of the last checkpoint,
 * which after a promotion is still the old one for a while.
 */
const identitySql = `
  SELECT (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
         CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
              ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int
         END AS timeline, pg_is_in_recovery() AS "inRecovery"`;

export async function databaseIdentity(database: Pool | PoolClient): Promise<DatabaseIdentity> {
  try {
    const { rows } = await database.query<DatabaseIdentity>(identitySql);
    const [identity] = rows;
    if (identity === undefined) throw new Error('the database did not tell its identity');
    return identity;
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== insufficientPrivilege) throw error;
    throw new DatabaseRightsMissing(
      'this role may not read the database’s identity: GRANT EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint(), ' +
        'pg_walfile_name(pg_lsn), pg_current_wal_insert_lsn() TO it',
      { cause: error },
    );
  }
}

/** `server_version_num`, e.g. 180004. */
export async function serverVersion(database: Pool | PoolClient): Promise<number> {
  const { rows } = await database.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the database did not tell its version');
  return row.version;
}
