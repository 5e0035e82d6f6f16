import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** When a person has found out what an unreadable record was. */
export class DismissedRecords1700000000061 implements MigrationInterface {
  readonly name = 'DismissedRecords1700000000061';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE quarantine ADD COLUMN dismissed_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE quarantine DROP COLUMN dismissed_at');
  }
}
