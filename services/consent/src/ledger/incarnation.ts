import type { Client, PoolClient } from '@entente/postgres';
import type { Logger } from '@entente/observability';

/** What this module needs of a connection. */
type Connection = Pick<Client, 'query'>;

/**
 * A primary's timeline is read from its current WAL position: the control file's is that of the last checkpoint, which
 * after a promotion is still the old one for a while.
 *
 * A failover that loses the newest commits may lose the raise of the one before it, whose versions the world has seen: one more
 * than what is left would give them again. So it is at least four for each timeline, with room for the raises of restores between
 * two of them (RST-4); beyond the thousandth timeline, which versions have no room for, one more as ever.
 */
const raiseSql = `
  WITH here AS (
    SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
           ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS timeline
  )
  UPDATE incarnation i
     SET incarnation = CASE WHEN i.system_identifier IS NULL THEN i.incarnation
                            WHEN here.timeline > 1000 THEN i.incarnation + 1
                            ELSE GREATEST(i.incarnation + 1, 4 * (here.timeline - 1)) END,
         system_identifier = here.system_identifier, timeline = here.timeline
    FROM here
   WHERE (i.system_identifier, i.timeline) IS DISTINCT FROM (here.system_identifier, here.timeline)
  RETURNING i.incarnation`;

/**
 * RST-1: whoever connects to a database whose system identifier or timeline is not the recorded one raises the incarnation
 * first. A connection ends with its server, so it is checked once, inside its first transaction and before anything else.
 */
export class IncarnationCheck {
  readonly #checked = new WeakSet<object>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Call first in a transaction; call the returned function after its commit. */
  async first(connection: Connection): Promise<() => void> {
    if (this.#checked.has(connection)) return () => undefined;
    const incarnation = await raiseIncarnation(connection);
    return () => {
      this.#checked.add(connection);
      if (incarnation !== null) this.#log.warn({ incarnation }, 'database identity recorded');
    };
  }
}

/** @returns the incarnation now in force when this call changed the recorded identity, else null. */
export async function raiseIncarnation(connection: Connection | PoolClient): Promise<number | null> {
  const { rows } = await connection.query<{ incarnation: number }>(raiseSql);
  return rows[0]?.incarnation ?? null;
}
