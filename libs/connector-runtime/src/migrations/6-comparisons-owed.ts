import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** Since when a comparison with the consent service is owed because newest commits may be lost (RST-3, DLV-7). */
export class ComparisonsOwed1700000000061 implements MigrationInterface {
  readonly name = 'ComparisonsOwed1700000000061';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE known_database ADD COLUMN comparison_owed_since timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE known_database DROP COLUMN comparison_owed_since');
  }
}
