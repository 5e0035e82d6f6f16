import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** What the console reads and keeps: bounded lists by index, judged deadlines, sessions, and who looked at whom. */
export class Console1700000000002 implements MigrationInterface {
  readonly name = 'Console1700000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE propagation ADD COLUMN visible_at timestamptz');
    await runner.query('ALTER TABLE gate_start ADD COLUMN last_confirmed_at timestamptz');
    // Every list of the console is a short walk along one of these, however many rows there are.
    await runner.query(`CREATE INDEX propagation_open_of
      ON propagation (controller, recipient, state, committed_at, subject_key, version) WHERE settled_at IS NULL`);
    await runner.query('CREATE INDEX propagation_recent ON propagation (controller, recipient, committed_at DESC)');
    await runner.query(`CREATE INDEX propagation_accepted ON propagation (controller, recipient, accepted_at DESC)
      WHERE accepted_at IS NOT NULL`);
    await runner.query('DROP INDEX propagation_open');
    await runner.query('DROP INDEX propagation_unjudged');
    await runner.query(
      'CREATE INDEX propagation_unjudged ON propagation (deadlines_judged, committed_at) WHERE deadlines_judged < 3',
    );
    await runner.query(`CREATE INDEX change_denied ON change (controller, committed_at DESC) WHERE direction = 'deny'`);
    await runner.query('CREATE INDEX leak_of ON leak (controller, recipient)');
    await runner.query(`
      CREATE TABLE gate_left (
        controller text NOT NULL,
        recipient text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (controller, recipient)
      )`);
    await runner.query(`
      CREATE TABLE deadline_hour (
        controller text NOT NULL,
        recipient text NOT NULL,
        hour timestamptz NOT NULL,
        within text NOT NULL,
        met bigint NOT NULL DEFAULT 0,
        missed_pipeline bigint NOT NULL DEFAULT 0,
        missed_partner bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (controller, recipient, hour, within)
      )`);
    await runner.query(`
      CREATE TABLE deadline_missed (
        controller text NOT NULL,
        subject_key text NOT NULL,
        recipient text NOT NULL,
        version bigint NOT NULL,
        within text NOT NULL,
        blame text NOT NULL,
        judged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (controller, subject_key, recipient, version, within)
      )`);
    await runner.query(`
      CREATE TABLE console_session (
        id_hash bytea PRIMARY KEY,
        controller text NOT NULL,
        subject text NOT NULL,
        name text NOT NULL,
        role text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        used_at timestamptz NOT NULL DEFAULT clock_timestamp()
      )`);
    await runner.query(`
      CREATE TABLE audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        controller text NOT NULL,
        minute timestamptz NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL,
        via text NOT NULL,
        action text NOT NULL,
        target text NOT NULL,
        reason text,
        detail jsonb NOT NULL DEFAULT '{}',
        times integer NOT NULL DEFAULT 1
      )`);
    // A page that refreshes itself is one view a minute, not one a refresh; an action always has a row of its own.
    await runner.query(
      `CREATE UNIQUE INDEX audit_view ON audit (controller, actor, action, target, minute) WHERE action LIKE 'view-%'`,
    );
    await runner.query('CREATE INDEX audit_newest ON audit (controller, id DESC)');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['audit', 'console_session', 'deadline_missed', 'deadline_hour', 'gate_left'])
      await runner.query(`DROP TABLE ${table}`);
    for (const index of [
      'leak_of',
      'change_denied',
      'propagation_unjudged',
      'propagation_accepted',
      'propagation_recent',
      'propagation_open_of',
    ])
      await runner.query(`DROP INDEX ${index}`);
    await runner.query(
      'CREATE INDEX propagation_open ON propagation (recipient, committed_at) WHERE settled_at IS NULL',
    );
    await runner.query('CREATE INDEX propagation_unjudged ON propagation (committed_at) WHERE deadlines_judged < 3');
    await runner.query('ALTER TABLE gate_start DROP COLUMN last_confirmed_at');
    await runner.query('ALTER TABLE propagation DROP COLUMN visible_at');
  }
}
