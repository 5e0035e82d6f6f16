/** A schema name goes into SQL text as it is, so only plain ones are allowed. */
function plain(schema: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new RangeError(`not a plain schema name: ${JSON.stringify(schema)}`);
  return schema;
}

/** A queue's table dies as fast as it grows: vacuum by a fixed count, without pauses (kafka-on-node.md §4.4). */
const queueStorage =
  'autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0, ' +
  'autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000';

/**
 * REL-1: Debezium's column names plus `lane` and `shard`. Each lane is a partition of its own, so that a million waiting
 * normal rows, their dead versions and their statistics never lie in the way of an urgent read.
 * The sequence hands out one number at a time (CACHE 1): with a larger cache a later transaction could get a lower id.
 */
export function outboxMigrationSql(schema: string): string[] {
  const s = plain(schema);
  return [
    `CREATE TABLE ${s}.outbox (
       id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
       event_id uuid NOT NULL,
       aggregatetype text NOT NULL,
       aggregateid text NOT NULL,
       type text NOT NULL,
       payload jsonb NOT NULL,
       headers jsonb,
       lane smallint NOT NULL,
       shard smallint NOT NULL,
       created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
       PRIMARY KEY (id, lane)
     ) PARTITION BY LIST (lane)`,
    `CREATE TABLE ${s}.outbox_urgent PARTITION OF ${s}.outbox FOR VALUES IN (0) WITH (${queueStorage})`,
    `CREATE TABLE ${s}.outbox_normal PARTITION OF ${s}.outbox FOR VALUES IN (1) WITH (${queueStorage})`,
    `CREATE INDEX outbox_shard_id ON ${s}.outbox (shard, id)`,
    `CREATE TABLE ${s}.relay_shard (
       shard smallint PRIMARY KEY,
       pass bigint NOT NULL DEFAULT 0,
       log_epoch integer NOT NULL DEFAULT 0,
       highest_acked jsonb NOT NULL DEFAULT '{}',
       last_ledger_number bigint NOT NULL DEFAULT 0,
       last_pass_at timestamptz
     ) WITH (fillfactor = 50)`,
  ];
}

/** REL-5: from which ledger number a lost log is still to be published again; NULL where nothing is owed. */
export function republishMigrationSql(schema: string): string[] {
  return [`ALTER TABLE ${plain(schema)}.relay_shard ADD COLUMN republish_since bigint`];
}

/** GATE-6: the gate starts that `wait=gates` waits for. */
export function watermarkMigrationSql(schema: string): string[] {
  const s = plain(schema);
  return [
    `CREATE TABLE ${s}.gate (
       start_id text PRIMARY KEY,
       gate text NOT NULL,
       controller text NOT NULL,
       recipients jsonb NOT NULL,
       first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
       last_seen timestamptz NOT NULL DEFAULT clock_timestamp()
     )`,
  ];
}
