import { outboxMigrationSql } from '@entente/outbox';
import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * One delivery row per (recipient, subject), which is the exposure register too. About 500 bytes a row; it grows with
 * subjects × recipients and is never deleted (REC-8: an erased person's row stays as the fence).
 */
const deliverySql = `
  CREATE TABLE delivery (
    controller text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    subject_key text COLLATE "C" NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    vector jsonb,
    desired text[] NOT NULL DEFAULT '{}',
    catalogue bigint NOT NULL DEFAULT 0,
    event_sealed text,
    committed_at timestamptz,
    exposed text[] NOT NULL DEFAULT '{}',
    in_flight_until timestamptz,
    in_flight_owner text,
    state text NOT NULL DEFAULT 'none'
      CHECK (state IN ('none', 'due', 'claimed', 'waiting', 'unclear', 'parked', 'settled')),
    revoke_version bigint NOT NULL DEFAULT 0,
    revoke_to text[] NOT NULL DEFAULT '{}',
    erasure boolean NOT NULL DEFAULT false,
    attempted boolean NOT NULL DEFAULT false,
    ambiguous boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    claim_token uuid,
    revoked text[] NOT NULL DEFAULT '{}',
    applied_version bigint NOT NULL DEFAULT 0,
    consumed_at timestamptz,
    reason text,
    reference text,
    PRIMARY KEY (controller, recipient, subject_key)
  ) WITH (fillfactor = 70)`;

/** DLV-2 reads only what may be due, whatever else the table holds. */
const dueIndexSql = `
  CREATE INDEX delivery_due ON delivery (controller, recipient, next_attempt_at)
    WHERE state IN ('due', 'claimed', 'waiting', 'unclear')`;
const unenforcedIndexSql = `
  CREATE INDEX delivery_unenforced ON delivery (controller, recipient, state)
    WHERE state IN ('due', 'claimed', 'waiting', 'unclear', 'parked')`;

/** Each set of identifiers under which a person may be at a recipient, sealed; the digest only tells sets apart. */
const exposureSql = `
  CREATE TABLE exposure (
    controller text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    subject_key text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    sealed text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (controller, recipient, subject_key, purpose, digest)
  )`;

/** What was tried at a partner and what it said. */
const attemptSql = `
  CREATE TABLE attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    controller text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    subject_key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    outcome text NOT NULL,
    reason text,
    reference text
  )`;
const attemptIndexSql = `CREATE INDEX attempt_of_delivery ON attempt (controller, recipient, subject_key, id)`;

/** DLV-1: the positions that count; the group's commits in Kafka are informative. */
const offsetSql = `
  CREATE TABLE kafka_offset (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
  ) WITH (fillfactor = 50)`;

const catalogueSql = `
  CREATE TABLE catalogue (
    controller text PRIMARY KEY,
    number bigint NOT NULL,
    document jsonb NOT NULL
  )`;

/** Records nobody could read, with where they stand; their value stays in Kafka. */
const quarantineSql = `
  CREATE TABLE quarantine (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key text,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition, "offset")
  )`;

export class Deliveries1700000000001 implements MigrationInterface {
  readonly name = 'Deliveries1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    const tables = [deliverySql, exposureSql, attemptSql, offsetSql, catalogueSql, quarantineSql];
    const indexes = [dueIndexSql, unenforcedIndexSql, attemptIndexSql];
    const [{ schema }] = (await runner.query('SELECT current_schema() AS schema')) as [{ schema: string }];
    for (const sql of [...tables, ...indexes, ...outboxMigrationSql(schema)]) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [
      'delivery',
      'exposure',
      'attempt',
      'kafka_offset',
      'catalogue',
      'quarantine',
      'outbox',
      'relay_shard',
    ])
      await runner.query(`DROP TABLE IF EXISTS ${table}`);
  }
}
