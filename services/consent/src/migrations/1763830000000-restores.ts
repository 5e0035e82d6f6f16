import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * RST-4: each restore that was carried out. Heads of incarnations below `merged_below`, and records below `ends`
 * (`topic:partition` → next offset), are answered for by the ledger although it does not hold them.
 */
const statements = [
  `CREATE TABLE restore (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     merged_below bigint NOT NULL,
     ends jsonb NOT NULL,
     report jsonb NOT NULL,
     finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
   )`,
  `CREATE TRIGGER restore_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON restore
     FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`,
  `ALTER TABLE restore ENABLE ALWAYS TRIGGER restore_append_only`,
];

export class Restores1763830000000 implements MigrationInterface {
  readonly name = 'Restores1763830000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('without its restores the ledger would seem to have lost what they merged'));
  }
}
