import { republishMigrationSql } from '@entente/outbox';
import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** The relay's table is the same in every service. */
export class RepublishOwed1700000000081 implements MigrationInterface {
  readonly name = 'RepublishOwed1700000000081';

  async up(runner: QueryRunner): Promise<void> {
    const [{ schema }] = (await runner.query('SELECT current_schema() AS schema')) as [{ schema: string }];
    for (const sql of republishMigrationSql(schema)) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE relay_shard DROP COLUMN republish_since');
  }
}
