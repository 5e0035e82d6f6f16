import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** AUDIT (ADR 35): who had parked work tried again. Written with the replay itself, and never rewritten. */
export class Replays1700000000051 implements MigrationInterface {
  readonly name = 'Replays1700000000051';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE replay (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        controller text NOT NULL,
        recipient text NOT NULL,
        reason text,
        client text NOT NULL,
        people integer NOT NULL,
        role text NOT NULL DEFAULT session_user,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
      )`);
    await runner.query(`
      CREATE FUNCTION refuse_replay_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'what was replayed is append-only';
      END $$`);
    await runner.query(`
      CREATE TRIGGER replay_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON replay
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_replay_change()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE replay');
    await runner.query('DROP FUNCTION refuse_replay_change');
  }
}
