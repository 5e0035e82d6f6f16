import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * An entry waits for its number by its id alone. The reference to it was looked up, and locked, for every entry in the
 * transaction that records a change: most of what provability cost there. The id comes from the insert of the same statement,
 * entries are never deleted, and what is numbered is joined with its entry anyway.
 */
export class QueueWithoutReference1763890000000 implements MigrationInterface {
  readonly name = 'QueueWithoutReference1763890000000';

  async up(runner: QueryRunner): Promise<void> {
    // It locks both tables against everybody: behind a long reader (a dump) it would hold every writer up, so it gives up and is run again.
    await runner.query(`SET LOCAL lock_timeout = '500ms'`);
    await runner.query('ALTER TABLE ledger_pending DROP CONSTRAINT ledger_pending_entry_id_fkey');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE ledger_pending ADD CONSTRAINT ledger_pending_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES ledger_entry`);
  }
}
