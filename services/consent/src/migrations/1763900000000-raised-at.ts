import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * When newest commits may have been lost (RST-1): among them gates that registered and are still open (GATE-6). By a trigger, so
 * that a process of an older build that raises the incarnation first dates it too.
 */
const statements = [
  'ALTER TABLE incarnation ADD COLUMN raised_at timestamptz',
  `CREATE FUNCTION date_raise() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     NEW.raised_at := clock_timestamp();
     RETURN NEW;
   END $$`,
  `CREATE TRIGGER date_raise BEFORE UPDATE ON incarnation FOR EACH ROW
     WHEN (OLD.incarnation <> NEW.incarnation) EXECUTE FUNCTION date_raise()`,
];

export class RaisedAt1763900000000 implements MigrationInterface {
  readonly name = 'RaisedAt1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of statements) await runner.query(sql);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER date_raise ON incarnation');
    await runner.query('DROP FUNCTION date_raise()');
    await runner.query('ALTER TABLE incarnation DROP COLUMN raised_at');
  }
}
