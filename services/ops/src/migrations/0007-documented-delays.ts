import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * What each recipient's partner says about its own processing time, as its connector last told it; apart from `recipient`,
 * which comes from the catalogue and may be heard of later.
 */
export class DocumentedDelays1700000000041 implements MigrationInterface {
  readonly name = 'DocumentedDelays1700000000041';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE recipient_description (
        controller text NOT NULL,
        recipient text NOT NULL,
        documented_delay jsonb NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (controller, recipient)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE recipient_description');
  }
}
