import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * Imports: how far each has come, and what of it was not taken. Neither holds anything of the people in the file: a reject
 * is a line's number and a reason in our words.
 */
const statements = [
  `CREATE TABLE import_job (
     id uuid PRIMARY KEY,
     controller text COLLATE "C" NOT NULL,
     client text NOT NULL,
     request_key text,
     settings jsonb NOT NULL,
     columns jsonb,
     state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done')),
     position bigint NOT NULL DEFAULT 0,
     lines bigint NOT NULL DEFAULT 0,
     total bigint,
     rows bigint NOT NULL DEFAULT 0,
     recorded bigint NOT NULL DEFAULT 0,
     unchanged bigint NOT NULL DEFAULT 0,
     partly bigint NOT NULL DEFAULT 0,
     rejected bigint NOT NULL DEFAULT 0,
     holder uuid,
     held_until timestamptz,
     created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
     updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
   ) WITH (fillfactor = 50)`,
  `CREATE UNIQUE INDEX import_job_open_key ON import_job (controller, client, request_key)
     WHERE state = 'open' AND request_key IS NOT NULL`,
  `CREATE TABLE import_reject (
     import_id uuid NOT NULL REFERENCES import_job ON DELETE CASCADE,
     line bigint NOT NULL,
     partly boolean NOT NULL,
     reason text NOT NULL,
     PRIMARY KEY (import_id, line)
   )`,
];

export class Imports1763840000000 implements MigrationInterface {
  readonly name = 'Imports1763840000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE import_reject, import_job');
  }
}
