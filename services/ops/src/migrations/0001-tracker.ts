import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/** TRK-1: changes, what is expected of each recipient, and what came before its change did. */
export class Tracker1700000000001 implements MigrationInterface {
  readonly name = 'Tracker1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE change (
        controller text NOT NULL,
        subject_key text NOT NULL,
        version bigint NOT NULL,
        change_id uuid NOT NULL,
        direction text NOT NULL,
        purposes text[] NOT NULL,
        granted text[] NOT NULL,
        committed_at timestamptz NOT NULL,
        published_at timestamptz NOT NULL,
        PRIMARY KEY (controller, subject_key, version)
      )`);
    await runner.query('CREATE UNIQUE INDEX change_by_id ON change (change_id)');
    await runner.query('CREATE INDEX change_by_time ON change (committed_at)');
    await runner.query(`
      CREATE TABLE propagation (
        controller text NOT NULL,
        subject_key text NOT NULL,
        version bigint NOT NULL,
        recipient text NOT NULL,
        committed_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        reason text,
        outcome text,
        attempts integer NOT NULL DEFAULT 0,
        consumed_at timestamptz,
        gate_closed_at timestamptz,
        gate_closed_by text,
        accepted_at timestamptz,
        confirmed_at timestamptz,
        settled_at timestamptz,
        error_ms double precision NOT NULL DEFAULT 0,
        deadlines_judged smallint NOT NULL DEFAULT 0,
        PRIMARY KEY (controller, subject_key, recipient, version)
      )`);
    await runner.query(
      'CREATE INDEX propagation_open ON propagation (recipient, committed_at) WHERE settled_at IS NULL',
    );
    await runner.query('CREATE INDEX propagation_gate_open ON propagation (committed_at) WHERE gate_closed_at IS NULL');
    await runner.query('CREATE INDEX propagation_unjudged ON propagation (committed_at) WHERE deadlines_judged < 3');
    await runner.query(`
      CREATE TABLE gate_confirmation (
        controller text NOT NULL,
        subject_key text NOT NULL,
        start_id text NOT NULL,
        version bigint NOT NULL,
        closed_at timestamptz NOT NULL,
        error_ms double precision NOT NULL,
        PRIMARY KEY (controller, subject_key, start_id)
      )`);
    await runner.query(`
      CREATE TABLE settlement (
        controller text NOT NULL,
        subject_key text NOT NULL,
        recipient text NOT NULL,
        version bigint NOT NULL,
        record jsonb NOT NULL,
        PRIMARY KEY (controller, subject_key, recipient)
      )`);
    await runner.query(`
      CREATE TABLE gate_start (
        start_id text PRIMARY KEY,
        gate text NOT NULL,
        controller text NOT NULL,
        recipients text[] NOT NULL,
        first_beat_at timestamptz NOT NULL,
        last_beat_at timestamptz NOT NULL
      )`);
    await runner.query(`
      CREATE TABLE recipient (
        controller text NOT NULL,
        id text NOT NULL,
        name text NOT NULL,
        kind text NOT NULL,
        active boolean NOT NULL,
        PRIMARY KEY (controller, id)
      )`);
    await runner.query(`
      CREATE TABLE leak (
        controller text NOT NULL,
        subject_key text NOT NULL,
        recipient text NOT NULL,
        purpose text NOT NULL,
        exposed_at timestamptz NOT NULL,
        detector text NOT NULL,
        PRIMARY KEY (controller, subject_key, recipient, purpose, exposed_at)
      )`);
    await runner.query(`
      CREATE TABLE exposure_unjudged (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        record jsonb NOT NULL,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp()
      )`);
    await runner.query(`
      CREATE TABLE quarantine (
        topic text NOT NULL,
        partition integer NOT NULL,
        log_offset bigint NOT NULL,
        reason text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (topic, partition, log_offset)
      )`);
    await runner.query(`
      CREATE TABLE kafka_offset (
        topic text NOT NULL,
        partition integer NOT NULL,
        next_offset bigint NOT NULL,
        PRIMARY KEY (topic, partition)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [
      'change',
      'propagation',
      'gate_confirmation',
      'settlement',
      'gate_start',
      'recipient',
      'leak',
      'exposure_unjudged',
      'quarantine',
      'kafka_offset',
    ])
      await runner.query(`DROP TABLE ${table}`);
  }
}
