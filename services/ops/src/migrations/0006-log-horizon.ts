import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * Up to when each partition of the express log has been heard whole: the pass time of the newest watermark whose
 * predecessors are all in these tables (REL-4). Twelve rows, written by whichever instance reads the partition.
 */
export class LogHorizon1700000000033 implements MigrationInterface {
  readonly name = 'LogHorizon1700000000033';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE log_horizon (
        partition smallint PRIMARY KEY,
        known_until timestamptz NOT NULL
      ) WITH (fillfactor = 50)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE log_horizon');
  }
}
