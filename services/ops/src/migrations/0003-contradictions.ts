import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** When a partner was last found not to keep what it had accepted (ADR 12): older words about the change no longer count. */
export class Contradictions1700000000021 implements MigrationInterface {
  readonly name = 'Contradictions1700000000021';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE propagation ADD COLUMN contradicted_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE propagation DROP COLUMN contradicted_at');
  }
}
