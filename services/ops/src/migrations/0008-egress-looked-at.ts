import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** "0 leaks" says little without how many sends were looked at; and leaks are listed, newest first, of all or of one recipient. */
export class EgressLookedAt1700000000042 implements MigrationInterface {
  readonly name = 'EgressLookedAt1700000000042';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE egress_day (
        controller text NOT NULL,
        recipient text NOT NULL,
        day date NOT NULL,
        sends bigint NOT NULL,
        first_at timestamptz NOT NULL,
        PRIMARY KEY (controller, recipient, day)
      )`);
    await runner.query('DROP INDEX leak_newest');
    await runner.query('CREATE INDEX leak_by_time ON leak (controller, exposed_at, subject_key, recipient, purpose)');
    await runner.query('DROP INDEX leak_of');
    await runner.query('CREATE INDEX leak_of ON leak (controller, recipient, exposed_at, subject_key, purpose)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX leak_of');
    await runner.query('CREATE INDEX leak_of ON leak (controller, recipient)');
    await runner.query('DROP INDEX leak_by_time');
    await runner.query(
      'CREATE INDEX leak_newest ON leak (controller, exposed_at DESC, subject_key, recipient, purpose)',
    );
    await runner.query('DROP TABLE egress_day');
  }
}
