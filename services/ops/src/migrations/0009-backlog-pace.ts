import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** How each recipient's backlog stood at the last look: whether its oldest withdrawal waits longer and longer (status SLOW). */
export class BacklogPace1700000000051 implements MigrationInterface {
  readonly name = 'BacklogPace1700000000051';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE recipient_pace (
        controller text NOT NULL,
        recipient text NOT NULL,
        looked_at timestamptz NOT NULL,
        oldest_ms double precision NOT NULL,
        open integer NOT NULL,
        untaken_since timestamptz,
        accepted_at timestamptz,
        rises integer NOT NULL,
        PRIMARY KEY (controller, recipient)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE recipient_pace');
  }
}
