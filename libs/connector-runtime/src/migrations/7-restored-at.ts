import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * When newest commits may have been lost (RST-3), kept apart from the catalogue: that row may be among what was lost, and the
 * one fetched in its place knows nothing of it. `catalogue.restored_at` is read by older builds alone and goes with them.
 */
const restoredSql = `ALTER TABLE known_database ADD COLUMN restored_at timestamptz`;

/** A database that nobody could ask who it is has no row: the mark stands in one that fits no database. */
const keptSql = `
  INSERT INTO known_database (system_identifier, timeline, synchronous, restored_at)
  SELECT '', 0, false, max(restored_at) FROM catalogue HAVING max(restored_at) IS NOT NULL
  ON CONFLICT (only_row) DO UPDATE SET restored_at = excluded.restored_at`;

export class RestoredAt1700000000071 implements MigrationInterface {
  readonly name = 'RestoredAt1700000000071';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [restoredSql, keptSql]) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE known_database DROP COLUMN restored_at');
  }
}
