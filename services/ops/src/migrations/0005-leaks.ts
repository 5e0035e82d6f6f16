import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** Every send is judged, and each leak of any detector counted once (ADR 30). */
export class Leaks1700000000032 implements MigrationInterface {
  readonly name = 'Leaks1700000000032';

  async up(runner: QueryRunner): Promise<void> {
    // Those there are have been counted.
    await runner.query('ALTER TABLE leak ADD COLUMN counted boolean NOT NULL DEFAULT true');
    await runner.query('ALTER TABLE leak ALTER COLUMN counted SET DEFAULT false');
    await runner.query('CREATE INDEX leak_uncounted ON leak (controller) WHERE NOT counted');
    await runner.query(
      'CREATE INDEX leak_newest ON leak (controller, exposed_at DESC, subject_key, recipient, purpose)',
    );
    await runner.query(`
      UPDATE exposure_unjudged SET record = jsonb_build_object('controller', record->'controller', 'recipient', record->'recipient',
        'clockErrorMs', 0, 'sends', jsonb_build_array(record - 'controller' - 'recipient'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DELETE FROM exposure_unjudged');
    await runner.query('DROP INDEX leak_newest');
    await runner.query('DROP INDEX leak_uncounted');
    await runner.query('ALTER TABLE leak DROP COLUMN counted');
  }
}
