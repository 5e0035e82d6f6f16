import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** `restored_at`: this database was restored or lost its newest changes, exposures among them (DLV-7). */
const restoredSql = `ALTER TABLE catalogue ADD COLUMN restored_at timestamptz`;

/** Which database this is; another one, or another history of it, is a restored one (RST-3). */
const knownDatabaseSql = `
  CREATE TABLE known_database (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    system_identifier text NOT NULL,
    timeline integer NOT NULL,
    synchronous boolean NOT NULL
  )`;

export class Restores1700000000025 implements MigrationInterface {
  readonly name = 'Restores1700000000025';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [restoredSql, knownDatabaseSql]) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE known_database');
    await runner.query('ALTER TABLE catalogue DROP COLUMN restored_at');
  }
}
