import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * Signals as they came, sealed: evidence for what they changed, and the newest of each kind and source for the views. One
 * row for each transition, not for each request (standards.md P-6); never updated. An erased person's rows are deleted.
 */
const tables = [
  `CREATE TABLE signal (
     number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     id uuid NOT NULL UNIQUE,
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     kind text COLLATE "C" NOT NULL,
     source text COLLATE "C" NOT NULL,
     fingerprint text NOT NULL,
     denies text[] NOT NULL,
     raw_sealed text NOT NULL,
     received_at timestamptz NOT NULL DEFAULT clock_timestamp()
   )`,
  `CREATE INDEX signal_newest ON signal (controller, subject_key, kind, source, number DESC)`,
];

export class Signals1763810000000 implements MigrationInterface {
  readonly name = 'Signals1763810000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of tables) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('kept signals are evidence of people’s choices and are never dropped'));
  }
}
