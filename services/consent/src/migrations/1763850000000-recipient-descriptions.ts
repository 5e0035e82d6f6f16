import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** What each recipient's partner says about its own processing time, as its connector last told it. */
export class RecipientDescriptions1763850000000 implements MigrationInterface {
  readonly name = 'RecipientDescriptions1763850000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE recipient_description (
        controller text COLLATE "C" NOT NULL,
        recipient text COLLATE "C" NOT NULL,
        documented_delay jsonb NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (controller, recipient)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE recipient_description');
  }
}
