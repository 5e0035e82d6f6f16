import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** Invented people who go through every recipient all day long: kept apart from people in every count and list (ADR 29). */
export class Canaries1700000000031 implements MigrationInterface {
  readonly name = 'Canaries1700000000031';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE change ADD COLUMN canary boolean NOT NULL DEFAULT false');
    await runner.query('ALTER TABLE propagation ADD COLUMN canary boolean NOT NULL DEFAULT false');
    await runner.query(`
      CREATE TABLE canary (
        controller text NOT NULL,
        recipient text NOT NULL,
        subject_id text NOT NULL,
        subject_key text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        claimed_until timestamptz,
        last_success_at timestamptz,
        PRIMARY KEY (controller, recipient)
      )`);
    await runner.query('CREATE UNIQUE INDEX canary_by_subject ON canary (controller, subject_key)');
    await runner.query(`
      CREATE TABLE canary_run (
        id uuid PRIMARY KEY,
        controller text NOT NULL,
        recipient text NOT NULL,
        asked_by text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at timestamptz,
        result text,
        reason text,
        change_id text,
        arrived_ms double precision,
        gate_ms double precision,
        accepted_ms double precision,
        refused text
      )`);
    await runner.query('CREATE INDEX canary_run_newest ON canary_run (controller, recipient, started_at DESC)');
    await rebuildIndexes(runner, ' AND NOT canary', 'WHERE NOT canary');
    await runner.query('CREATE INDEX change_of_canaries ON change (committed_at) WHERE canary');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX change_of_canaries');
    await rebuildIndexes(runner, '', '');
    await runner.query('DROP TABLE canary_run');
    await runner.query('DROP TABLE canary');
    await runner.query('ALTER TABLE propagation DROP COLUMN canary');
    await runner.query('ALTER TABLE change DROP COLUMN canary');
  }
}

/** The lists' walks are about people: their indexes hold nobody else, so a canary's rows cost them nothing. */
async function rebuildIndexes(runner: QueryRunner, andNot: string, whereNot: string): Promise<void> {
  for (const index of [
    'propagation_open_of',
    'propagation_recent',
    'propagation_accepted',
    'propagation_unjudged',
    'change_denied',
  ])
    await runner.query(`DROP INDEX ${index}`);
  await runner.query(`CREATE INDEX propagation_open_of
    ON propagation (controller, recipient, state, committed_at, subject_key, version) WHERE settled_at IS NULL${andNot}`);
  await runner.query(
    `CREATE INDEX propagation_recent ON propagation (controller, recipient, committed_at DESC) ${whereNot}`,
  );
  await runner.query(`CREATE INDEX propagation_accepted ON propagation (controller, recipient, accepted_at DESC)
    WHERE accepted_at IS NOT NULL${andNot}`);
  await runner.query(`CREATE INDEX propagation_unjudged
    ON propagation (deadlines_judged, committed_at) WHERE deadlines_judged < 3${andNot}`);
  await runner.query(
    `CREATE INDEX change_denied ON change (controller, committed_at DESC) WHERE direction = 'deny'${andNot}`,
  );
}
