/**
 * REL-2: the server itself frees an owner that was stopped or cut off. The lock connection never needs a sequential scan;
 * forbidding it keeps plans right when a queue's statistics are an hour old.
 */
export const ownerSession = `
  SET idle_session_timeout = '2s'; SET idle_in_transaction_session_timeout = '1s'; SET statement_timeout = '1s';
  SET tcp_user_timeout = '3s'; SET synchronous_commit = on; SET enable_seqscan = off; SET enable_bitmapscan = off`;

/** For connections that only read pages. */
export const readerSession = `
  SET statement_timeout = '10s'; SET default_transaction_read_only = on; SET enable_seqscan = off; SET enable_bitmapscan = off`;

/** Advisory lock classes of one schema: shards are locked exclusively, the census is shared by all live instances. */
const shardClass = `hashtext('entente.relay.shard.' || $1::text)`;
const censusClass = `hashtext('entente.relay.census.' || $1::text)`;

export const enterCensus = `SELECT pg_advisory_lock_shared(${censusClass}, 0)`;

/** `classid` shows the first key as an unsigned number, `objsubid` 2 marks two-key locks (PostgreSQL manual, pg_locks). */
export const countCensus = `
  SELECT count(DISTINCT pid)::int AS live FROM pg_locks
   WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND objid = 0
     AND classid = (${censusClass}::bigint & 4294967295)::oid
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** No LIMIT here: the server may take locks of rows it then leaves out. */
export const tryLock = `
  SELECT shard FROM (
    SELECT shard, pg_try_advisory_lock(${shardClass}, shard) AS taken FROM unnest($2::int[]) AS asked(shard)
  ) AS tried WHERE taken`;

export const unlock = `SELECT pg_advisory_unlock(${shardClass}, shard) FROM unnest($2::int[]) AS held(shard)`;

/** Raising the pass makes it a write, whatever the row held. */
export const recordOwner = `
  INSERT INTO relay_shard AS r (shard) SELECT unnest($1::smallint[])
  ON CONFLICT (shard) DO UPDATE SET pass = r.pass + 1
  RETURNING r.shard, r.log_epoch, r.highest_acked ->> $2::text AS highest_acked, r.last_ledger_number, r.republish_since`;

export const registerGates = `
  INSERT INTO gate (start_id, gate, controller, recipients)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[])
  ON CONFLICT (start_id) DO UPDATE SET last_seen = clock_timestamp()`;

export const strikeGates = `
  DELETE FROM gate WHERE start_id = ANY ($1::text[]) OR last_seen < clock_timestamp() - interval '1 minute'`;

/** An unused sequence has last_value 1 and no row: harmless, the pass only reads up to there. */
export const passStart = `
  SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS pass_time,
         (SELECT last_value FROM outbox_id_seq) AS up_to,
         (SELECT json_agg(json_build_array(start_id, extract(epoch FROM clock_timestamp() - last_seen) * 1000)) FROM gate) AS gates`;

export const oweRepublish = `
  UPDATE relay_shard AS r
     SET log_epoch = s.log_epoch, republish_since = LEAST(r.republish_since, s.since),
         highest_acked = jsonb_set(r.highest_acked, ARRAY[$5::text], to_jsonb(s.acked))
    FROM unnest($1::smallint[], $2::int[], $3::text[], $4::bigint[]) AS s(shard, log_epoch, acked, since)
   WHERE r.shard = s.shard`;

export const commitPass = `
  UPDATE relay_shard AS r
     SET pass = r.pass + 1, log_epoch = s.log_epoch, last_ledger_number = s.ledger, last_pass_at = clock_timestamp(),
         republish_since = NULL, highest_acked = jsonb_set(r.highest_acked, ARRAY[$5::text], to_jsonb(s.acked))
    FROM unnest($1::smallint[], $2::int[], $3::text[], $4::bigint[]) AS s(shard, log_epoch, acked, ledger)
   WHERE r.shard = s.shard
  RETURNING r.shard, r.pass`;
