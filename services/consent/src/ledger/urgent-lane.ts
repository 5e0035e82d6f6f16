import type { Pool } from '@entente/postgres';

/** REC-6: a shard with more unpublished urgent rows than this takes no more, so that no withdrawal waits behind work in bulk. */
const mostUrgentRows = 500;

const crowdedSql = `SELECT 1 FROM outbox_urgent GROUP BY shard HAVING count(*) > ${mostUrgentRows} LIMIT 1`;

/** Whether imports and expiries have to wait for the relay. */
export const isUrgentLaneCrowded = async (pool: Pool): Promise<boolean> =>
  ((await pool.query(crowdedSql)).rowCount ?? 0) > 0;
