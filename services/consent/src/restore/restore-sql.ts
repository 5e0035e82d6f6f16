/** When the newest change in the database was committed (its id is among the newest); null in an empty ledger. */
export const backupEndSql = `
  SELECT (extract(epoch FROM (SELECT max(committed_at) FROM (
            SELECT committed_at FROM ledger_entry ORDER BY id DESC LIMIT 1000) newest)) * 1000)::float8 AS "backupEnd",
         (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
         (SELECT number FROM catalogue) AS catalogue, (SELECT incarnation FROM incarnation) AS incarnation`;

/** Where the restores before this one have merged the logs up to. */
export const mergedEndsSql = `
  SELECT e.place, max(e.at::bigint) AS "end" FROM restore r, jsonb_each_text(r.ends) AS e(place, at) GROUP BY e.place`;

/** Those of these changes that the ledger does not hold. */
export const unheldSql = `
  SELECT p.id FROM unnest($1::uuid[]) AS p(id)
   WHERE NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.change_id = p.id)`;

/** Those of these versions that the ledger does not hold, as positions in the arrays, from 1. */
export const unheldVersionsSql = `
  SELECT p.at::int AS at FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS p(subject_key, version, at)
   WHERE NOT EXISTS (SELECT 1 FROM ledger_entry e
                      WHERE e.controller = $3 AND e.subject_key = p.subject_key AND e.version = p.version)`;

/** Those of these lost versions that an earlier, broken off run has made good for already. */
export const madeGoodSql = `
  SELECT p.at::int AS at FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS p(controller, subject_key, version, at)
   WHERE EXISTS (SELECT 1 FROM ledger_entry e
                  WHERE e.controller = p.controller AND e.subject_key = p.subject_key
                    AND (e.entry::jsonb #>> '{restored,version}')::bigint >= p.version)`;

/** RST-1, and the raise of RST-4: above everything that the logs show, whatever the recorded identity. */
export const raiseAboveSql = `
  UPDATE incarnation
     SET incarnation = GREATEST(incarnation, $1::bigint + 1),
         system_identifier = (SELECT system_identifier::text FROM pg_control_system()),
         timeline = ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int
  RETURNING incarnation`;

export const recordSql = `INSERT INTO restore (merged_below, ends, report) VALUES ($1, $2, $3)`;
