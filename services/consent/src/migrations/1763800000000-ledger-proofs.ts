import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

const appendOnlyTables = ['ledger_entry', 'ledger_chain', 'ledger_subtree', 'ledger_checkpoint'];
/** What an entry loses when it is erased; every other column stays as it was. */
const erasable = `'{entry,salt,purposes,erased_at}'::text[]`;

/**
 * L-2, L-3, L-6. An entry's text can be taken away for good, and nothing else of the ledger can ever change: what is
 * numbered, chained and signed is a salted commitment to the text. The salt is a column's default, so that the write path
 * stays as it is; entries from before have none.
 */
const salts = [
  `ALTER TABLE ledger_entry ADD COLUMN salt bytea CHECK (length(salt) = 16), ADD COLUMN erased_at timestamptz,
     ALTER COLUMN entry DROP NOT NULL,
     ADD CHECK ((entry IS NULL) = (erased_at IS NOT NULL))`,
  `ALTER TABLE ledger_entry ALTER COLUMN salt SET DEFAULT uuid_send(gen_random_uuid())`,
  `ALTER TABLE ledger_chain ADD COLUMN commitment bytea CHECK (length(commitment) = 32)`,
  `ALTER TABLE ledger_chain DISABLE TRIGGER ledger_chain_append_only`,
  `UPDATE ledger_chain c SET commitment = sha256(convert_to(e.entry, 'UTF8')) FROM ledger_entry e WHERE e.id = c.entry_id`,
  // A sequencer of the version before would chain the text without its salt; it fails here and leaves the work to a newer.
  `ALTER TABLE ledger_chain ALTER COLUMN commitment SET NOT NULL`,
];

const proofs = [
  `CREATE TABLE ledger_subtree (
     height smallint NOT NULL CHECK (height > 0 AND height % 8 = 0),
     index bigint NOT NULL CHECK (index >= 0),
     hash bytea NOT NULL CHECK (length(hash) = 32),
     PRIMARY KEY (height, index)
   )`,
  `CREATE TABLE ledger_checkpoint (
     size bigint PRIMARY KEY CHECK (size > 0),
     root bytea NOT NULL CHECK (length(root) = 32),
     note text NOT NULL,
     signed_at timestamptz NOT NULL DEFAULT now()
   )`,
];

const appendOnly = [
  `CREATE FUNCTION allow_erasure_alone() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL AND NEW.entry IS NULL AND NEW.salt IS NULL
        AND NEW.purposes = '{}' AND to_jsonb(NEW) - ${erasable} = to_jsonb(OLD) - ${erasable}
     THEN RETURN NEW; END IF;
     RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
   END $$`,
  `DROP TRIGGER ledger_entry_append_only ON ledger_entry`,
  `DROP TRIGGER ledger_chain_append_only ON ledger_chain`,
  `CREATE TRIGGER ledger_entry_erasure BEFORE UPDATE ON ledger_entry FOR EACH ROW EXECUTE FUNCTION allow_erasure_alone()`,
  `ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER ledger_entry_erasure`,
  ...appendOnlyTables.flatMap((table) => [
    `CREATE TRIGGER ${table}_append_only
       BEFORE ${table === 'ledger_entry' ? '' : 'UPDATE OR '}DELETE OR TRUNCATE ON ${table}
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`,
    // Also where a session calls itself a replica.
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${table}_append_only`,
  ]),
  // Only numbered entries: the commitment to a text is made when it gets its number.
  `CREATE FUNCTION erase_ledger_contents(of_controller text, of_subject text, below_version bigint) RETURNS bigint
     LANGUAGE sql SECURITY DEFINER SET search_path = ${CONSENT_SCHEMA}, pg_temp AS $$
     WITH erased AS (
       UPDATE ledger_entry e SET entry = NULL, salt = NULL, purposes = '{}', erased_at = now()
        WHERE e.controller = of_controller AND e.subject_key = of_subject AND e.version < below_version
          AND e.erased_at IS NULL AND EXISTS (SELECT 1 FROM ledger_chain c WHERE c.entry_id = e.id)
       RETURNING 1)
     SELECT count(*) FROM erased $$`,
  `REVOKE ALL ON FUNCTION erase_ledger_contents(text, text, bigint) FROM PUBLIC`,
];

/** L-3: what the service's own role may do, when it is not the schema's owner. Run again after each migration. */
const rights = [
  `CREATE FUNCTION grant_service_rights(service name) RETURNS void
     LANGUAGE plpgsql SET search_path = ${CONSENT_SCHEMA}, pg_temp AS $$
   BEGIN
     EXECUTE format('GRANT USAGE ON SCHEMA ${CONSENT_SCHEMA} TO %I', service);
     EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${CONSENT_SCHEMA} TO %I', service);
     EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${CONSENT_SCHEMA} TO %I', service);
     EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON ${appendOnlyTables.join(', ')} FROM %I', service);
     EXECUTE format('GRANT EXECUTE ON FUNCTION erase_ledger_contents(text, text, bigint) TO %I', service);
   END $$`,
  `REVOKE ALL ON FUNCTION grant_service_rights(name) FROM PUBLIC`,
];

/** What became of each withdrawal at each recipient, for receipts (ADR 15). */
const outcomes = [
  `CREATE TABLE receipt_outcome (
     controller text COLLATE "C" NOT NULL,
     subject_key text COLLATE "C" NOT NULL,
     recipient text COLLATE "C" NOT NULL,
     version bigint NOT NULL,
     outcome text NOT NULL,
     reason text,
     at timestamptz NOT NULL,
     accepted_at timestamptz,
     PRIMARY KEY (controller, subject_key, recipient, version)
   )`,
];

export class LedgerProofs1763800000000 implements MigrationInterface {
  readonly name = 'LedgerProofs1763800000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...salts, ...proofs, ...appendOnly, ...rights, ...outcomes]) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('commitments that were chained cannot be taken back'));
  }
}
