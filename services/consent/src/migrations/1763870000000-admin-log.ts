import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

const noPath = `SET search_path = ${CONSENT_SCHEMA}, pg_temp`;

/**
 * AUDIT (ADR 35). What was done to the record rather than by a person: a log of its own, numbered and chained like the ledger.
 * Triggers write it, in the transaction of the act, so that an act by hand in SQL stands there too. Such acts are rare, so they
 * take turns.
 */
const log = [
  `CREATE TABLE admin_entry (
     number bigint PRIMARY KEY CHECK (number > 0),
     controller text COLLATE "C",
     entry text NOT NULL,
     commitment bytea NOT NULL CHECK (length(commitment) = 32),
     hash bytea NOT NULL CHECK (length(hash) = 32)
   )`,
  `CREATE INDEX admin_entry_controller ON admin_entry (controller, number)`,
  `CREATE INDEX admin_entry_keys_in_use ON admin_entry (number) WHERE entry::jsonb ->> 'act' = 'keys-in-use'`,
  `CREATE TRIGGER admin_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_entry
     FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()`,
  `ALTER TABLE admin_entry ENABLE ALWAYS TRIGGER admin_entry_append_only`,
  `CREATE FUNCTION append_admin_entry(of_controller text, act text, details jsonb) RETURNS bigint
     LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   DECLARE
     last admin_entry%ROWTYPE;
     next_number bigint;
     body text;
     commits bytea;
   BEGIN
     PERFORM pg_advisory_xact_lock(hashtextextended('entente.admin-log', 0));
     SELECT * INTO last FROM admin_entry ORDER BY number DESC LIMIT 1;
     next_number := COALESCE(last.number, 0) + 1;
     body := jsonb_build_object('number', next_number, 'act', act, 'controller', of_controller, 'role', session_user::text,
       'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'details', details)::text;
     commits := sha256(convert_to(body, 'UTF8'));
     INSERT INTO admin_entry (number, controller, entry, commitment, hash)
     VALUES (next_number, of_controller, body, commits,
             sha256(COALESCE(last.hash, decode(repeat('00', 32), 'hex')) || commits));
     RETURN next_number;
   END $$`,
  `REVOKE ALL ON FUNCTION append_admin_entry(text, text, jsonb) FROM PUBLIC`,
  // Compared under the lock of the log: of instances that start together, one notes new keys.
  `CREATE FUNCTION note_keys_in_use(names jsonb) RETURNS void
     LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   DECLARE
     before jsonb;
   BEGIN
     PERFORM pg_advisory_xact_lock(hashtextextended('entente.admin-log', 0));
     SELECT entry::jsonb -> 'details' INTO before FROM admin_entry
      WHERE entry::jsonb ->> 'act' = 'keys-in-use' ORDER BY number DESC LIMIT 1;
     IF names IS DISTINCT FROM before THEN PERFORM append_admin_entry(NULL, 'keys-in-use', names); END IF;
   END $$`,
  `REVOKE ALL ON FUNCTION note_keys_in_use(jsonb) FROM PUBLIC`,
];

/** Each act's table, what of the row is told, and when. */
const acts = [
  {
    name: 'log_catalogue_change',
    on: 'AFTER INSERT ON catalogue_change FOR EACH ROW',
    body: `PERFORM append_admin_entry(NEW.controller, 'catalogue-changed', jsonb_build_object('catalogue', NEW.number,
             'client', NEW.client, 'sha256', encode(sha256(convert_to(NEW.change::text, 'UTF8')), 'hex')));`,
  },
  {
    // The only update that the table's other trigger lets through is the erasure of contents.
    name: 'log_contents_erased',
    on: 'AFTER UPDATE ON ledger_entry REFERENCING NEW TABLE AS erased FOR EACH STATEMENT',
    body: `PERFORM append_admin_entry(e.controller, 'contents-erased', jsonb_build_object('subjectKey', e.subject_key,
             'entries', e.entries, 'upToVersion', e.version))
             FROM (SELECT controller, subject_key, count(*) AS entries, max(version) AS version FROM erased
                    GROUP BY controller, subject_key ORDER BY controller, subject_key) e;`,
  },
  {
    // Every controller reads it: of the links to be repeated, which are people of one controller, it tells how many.
    name: 'log_restore',
    on: 'AFTER INSERT ON restore FOR EACH ROW',
    body: `PERFORM append_admin_entry(NULL, 'restored', jsonb_build_object('mergedBelow', NEW.merged_below,
             'report', NEW.report || jsonb_build_object('linksToRepeat',
               jsonb_array_length(COALESCE(NEW.report -> 'linksToRepeat', '[]')))));`,
  },
  {
    name: 'log_incarnation',
    on: 'AFTER UPDATE ON incarnation FOR EACH ROW WHEN (OLD.incarnation <> NEW.incarnation)',
    body: `PERFORM append_admin_entry(NULL, 'incarnation-raised', jsonb_build_object('from', OLD.incarnation,
             'to', NEW.incarnation, 'systemIdentifier', NEW.system_identifier, 'timeline', NEW.timeline));`,
  },
].flatMap(({ name, on, body }) => [
  `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   BEGIN ${body} RETURN NULL; END $$`,
  `REVOKE ALL ON FUNCTION ${name}() FROM PUBLIC`,
  `CREATE TRIGGER ${name} ${on} EXECUTE FUNCTION ${name}()`,
]);

const appendOnly = 'ledger_entry, ledger_chain, ledger_subtree, ledger_checkpoint';

/** As before, and of the log reading alone: entries come from the triggers and from `note_keys_in_use`. */
const rights = `CREATE OR REPLACE FUNCTION grant_service_rights(service name) RETURNS void LANGUAGE plpgsql ${noPath} AS $$
   BEGIN
     EXECUTE format('GRANT USAGE ON SCHEMA ${CONSENT_SCHEMA} TO %I', service);
     EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${CONSENT_SCHEMA} TO %I', service);
     EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${CONSENT_SCHEMA} TO %I', service);
     EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON ${appendOnly} FROM %I', service);
     EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON admin_entry FROM %I', service);
     EXECUTE format('GRANT EXECUTE ON FUNCTION erase_ledger_contents(text, text, bigint) TO %I', service);
     EXECUTE format('GRANT EXECUTE ON FUNCTION erase_ledger_slice(text, text, bigint, bigint) TO %I', service);
     EXECUTE format('GRANT EXECUTE ON FUNCTION note_keys_in_use(jsonb) TO %I', service);
     PERFORM append_admin_entry(NULL, 'rights-granted', jsonb_build_object('to', service));
   END $$`;

/** Where it begins, so that a log which was emptied, or a later catalogue change which is not in it, shows. */
const began = `
  SELECT append_admin_entry(NULL, 'log-began', jsonb_build_object('catalogue', (SELECT number FROM catalogue)))`;

export class AdminLog1763870000000 implements MigrationInterface {
  readonly name = 'AdminLog1763870000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...log, ...acts, rights, began]) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('what was done to the record is never forgotten'));
  }
}
