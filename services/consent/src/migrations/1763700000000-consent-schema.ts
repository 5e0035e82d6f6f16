import { outboxMigrationSql, watermarkMigrationSql } from '@entente/outbox';
import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

/**
 * Tables of the consent service. Ids and names compare by bytes (COLLATE "C"), so that every writer's "key order" is the
 * same whatever the database's locale (REC-2). `fillfactor` leaves room for updates in place on the hottest table.
 */
const tables = [
  `CREATE TABLE subject (
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     version bigint NOT NULL DEFAULT 0,
     vector jsonb NOT NULL DEFAULT '{}',
     identifiers_sealed text,
     PRIMARY KEY (controller, subject_key)
   ) WITH (fillfactor = 70)`,
  `CREATE TABLE ledger_entry (
     id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
     change_id uuid NOT NULL UNIQUE,
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     version bigint NOT NULL,
     purposes text[] NOT NULL,
     entry text NOT NULL,
     committed_at timestamptz NOT NULL,
     UNIQUE (controller, subject_key, version)
   )`,
  `CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation'; END $$`,
  `CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
     FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`,
  `CREATE TABLE ledger_pending (entry_id bigint PRIMARY KEY REFERENCES ledger_entry)
     WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)`,
  `CREATE TABLE ledger_chain (
     number bigint PRIMARY KEY CHECK (number > 0),
     entry_id bigint NOT NULL UNIQUE REFERENCES ledger_entry,
     hash bytea NOT NULL CHECK (length(hash) = 32)
   )`,
  `CREATE TRIGGER ledger_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_chain
     FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`,
  `CREATE TABLE idempotency (
     controller text COLLATE "C" NOT NULL,
     client text NOT NULL,
     route text NOT NULL,
     key text NOT NULL,
     fingerprint text NOT NULL,
     answer jsonb NOT NULL,
     created_at timestamptz NOT NULL,
     PRIMARY KEY (controller, client, route, key)
   )`,
  `CREATE INDEX idempotency_created ON idempotency USING brin (created_at)`,
  `CREATE TABLE incarnation (
     only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
     incarnation bigint NOT NULL CHECK (incarnation BETWEEN 0 AND 8191),
     system_identifier text,
     timeline integer
   )`,
  `INSERT INTO incarnation (incarnation) VALUES (0)`,
  `CREATE TABLE catalogue (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), number bigint NOT NULL)`,
  `INSERT INTO catalogue (number) VALUES (0)`,
  ...(['purpose', 'recipient'] as const).map(
    (item) => `CREATE TABLE ${item} (
     controller text COLLATE "C" NOT NULL,
     id text COLLATE "C" NOT NULL,
     document jsonb NOT NULL,
     changed_in bigint NOT NULL,
     PRIMARY KEY (controller, id)
   )`,
  ),
  `CREATE TABLE notice (
     controller text COLLATE "C" NOT NULL,
     id text COLLATE "C" NOT NULL,
     version integer NOT NULL CHECK (version > 0),
     document jsonb NOT NULL,
     changed_in bigint NOT NULL,
     PRIMARY KEY (controller, id, version)
   )`,
  `CREATE TABLE catalogue_change (
     number bigint PRIMARY KEY CHECK (number > 0),
     controller text COLLATE "C" NOT NULL,
     event_id uuid NOT NULL,
     client text NOT NULL,
     change jsonb NOT NULL,
     committed_at timestamptz NOT NULL
   )`,
];

export class ConsentSchema1763700000000 implements MigrationInterface {
  readonly name = 'ConsentSchema1763700000000';

  async up(runner: QueryRunner): Promise<void> {
    const statements = [...tables, ...outboxMigrationSql(CONSENT_SCHEMA), ...watermarkMigrationSql(CONSENT_SCHEMA)];
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(
      new Error('the consent schema holds the only record of people’s choices and is never dropped'),
    );
  }
}
