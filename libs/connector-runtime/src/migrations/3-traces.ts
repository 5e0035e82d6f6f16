import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** The trace a pending revocation belongs to, which goes on however long the partner lets it wait: about 55 bytes. */
export class Traces1700000000031 implements MigrationInterface {
  readonly name = 'Traces1700000000031';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE delivery ADD COLUMN traceparent text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE delivery DROP COLUMN traceparent');
  }
}
