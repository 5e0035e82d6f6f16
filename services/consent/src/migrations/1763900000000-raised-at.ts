import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** When newest commits may have been lost (RST-1): among them gates that registered and are still open (GATE-6). */
export class RaisedAt1763900000000 implements MigrationInterface {
  readonly name = 'RaisedAt1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE incarnation ADD COLUMN raised_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE incarnation DROP COLUMN raised_at');
  }
}
