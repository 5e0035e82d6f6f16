import type { MigrationInterface, QueryRunner } from '@entente/postgres';

/**
 * G-11. How far the ledger has been looked through for proofs whose time is over, and whose were destroyed: what was below
 * that version. It tells an auditor that an entry without contents ran out, and was not taken away.
 */
const statements = [
  `CREATE TABLE proof_retention (
     only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
     looked_at bigint NOT NULL
   )`,
  `INSERT INTO proof_retention (looked_at) VALUES (0)`,
  `CREATE TABLE proof_destroyed (
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     below_version bigint NOT NULL,
     at timestamptz NOT NULL DEFAULT clock_timestamp(),
     PRIMARY KEY (controller, subject_key, below_version)
   )`,
];

export class ProofRetention1763860000000 implements MigrationInterface {
  readonly name = 'ProofRetention1763860000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('why entries have no contents cannot be found out again'));
  }
}
