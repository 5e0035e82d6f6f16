import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

/**
 * G-11. How far the ledger has been looked through for proofs whose time is over, and whose were destroyed: what was below
 * that version. It tells an auditor that an entry without contents ran out, and was not taken away. Between the two: who is due,
 * with the old data key gone or not yet, how far up the contents are erased, and when the next step is tried.
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
  `CREATE TABLE proof_due (
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     below_version bigint NOT NULL,
     rekeyed boolean NOT NULL DEFAULT false,
     erased_below bigint NOT NULL DEFAULT 0,
     try_after timestamptz NOT NULL DEFAULT clock_timestamp(),
     PRIMARY KEY (controller, subject_key, below_version)
   )`,
  `CREATE INDEX proof_due_next ON proof_due (try_after)`,
  // As erase_ledger_contents, between two versions: what lies below them is not looked at again.
  `CREATE FUNCTION erase_ledger_slice(of_controller text, of_subject text, from_version bigint, below_version bigint)
     RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = ${CONSENT_SCHEMA}, pg_temp AS $$
     WITH erased AS (
       UPDATE ledger_entry e SET entry = NULL, salt = NULL, purposes = '{}', erased_at = now()
        WHERE e.controller = of_controller AND e.subject_key = of_subject
          AND e.version >= from_version AND e.version < below_version
          AND e.erased_at IS NULL AND EXISTS (SELECT 1 FROM ledger_chain c WHERE c.entry_id = e.id)
       RETURNING 1)
     SELECT count(*) FROM erased $$`,
  `REVOKE ALL ON FUNCTION erase_ledger_slice(text, text, bigint, bigint) FROM PUBLIC`,
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
