import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** A comparison that only says what it would repair. */
export class DryComparisons1700000000032 implements MigrationInterface {
  readonly name = 'DryComparisons1700000000032';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reconciliation ADD COLUMN dry_run boolean NOT NULL DEFAULT false');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE reconciliation DROP COLUMN dry_run');
  }
}
