import { republishMigrationSql } from '@entente/outbox';
import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

export class RepublishOwed1763910000000 implements MigrationInterface {
  readonly name = 'RepublishOwed1763910000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of republishMigrationSql(CONSENT_SCHEMA)) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE ${CONSENT_SCHEMA}.relay_shard DROP COLUMN republish_since`);
  }
}
