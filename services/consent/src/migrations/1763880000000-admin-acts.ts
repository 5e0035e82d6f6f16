import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

const noPath = `SET search_path = ${CONSENT_SCHEMA}, pg_temp`;

const noteExport = 'note_export(text, text, boolean, text, bigint)';
const exportActs = `entry::jsonb ->> 'act' IN ('export-begun', 'export-continued')`;

/**
 * AUDIT (ADR 35): imports and exports are acts on the record too; a dry run of an import is none. An export reads alone, so the
 * service tells of it.
 */
const statements = [
  `CREATE FUNCTION log_import() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   BEGIN
     PERFORM append_admin_entry(NEW.controller, 'import-begun', jsonb_build_object('import', 'imp_' || NEW.id,
       'client', NEW.client, 'format', NEW.settings -> 'format'));
     RETURN NULL;
   END $$`,
  `REVOKE ALL ON FUNCTION log_import() FROM PUBLIC`,
  `CREATE TRIGGER log_import AFTER INSERT ON import_job FOR EACH ROW
     WHEN (NEW.settings -> 'dryRun' IS DISTINCT FROM 'true'::jsonb) EXECUTE FUNCTION log_import()`,
  `CREATE INDEX admin_entry_exports ON admin_entry (controller, number) WHERE ${exportActs}`,
  // Who reads on from some person is noted once an hour for as long as they do, so that an export in pages is two entries, and
  // one that begins in the middle is one as well.
  `CREATE FUNCTION note_export(of_controller text, by_client text, with_identifiers boolean, after_key text, at_most bigint)
     RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   DECLARE
     last jsonb;
   BEGIN
     IF after_key IS NOT NULL THEN
       PERFORM pg_advisory_xact_lock(hashtextextended('entente.admin-log', 0));
       SELECT entry::jsonb INTO last FROM admin_entry
        WHERE controller = of_controller AND ${exportActs} AND entry::jsonb #>> '{details,client}' = by_client
          AND (entry::jsonb #>> '{details,identifiers}')::boolean = with_identifiers
        ORDER BY number DESC LIMIT 1;
       IF last ->> 'act' = 'export-continued' AND (last ->> 'at')::timestamptz > clock_timestamp() - interval '1 hour' THEN
         RETURN;
       END IF;
     END IF;
     PERFORM append_admin_entry(of_controller,
       CASE WHEN after_key IS NULL THEN 'export-begun' ELSE 'export-continued' END,
       jsonb_strip_nulls(jsonb_build_object(
         'client', by_client, 'identifiers', with_identifiers, 'after', after_key, 'limit', at_most)));
   END $$`,
  `REVOKE ALL ON FUNCTION ${noteExport} FROM PUBLIC`,
  // Whoever runs as the service by now goes on as one, also where this is migrated without naming the role again.
  `DO $$
   DECLARE
     service name;
   BEGIN
     FOR service IN
       SELECT r.rolname FROM pg_proc p CROSS JOIN aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE p.oid = '${CONSENT_SCHEMA}.note_keys_in_use(jsonb)'::regprocedure AND a.privilege_type = 'EXECUTE'
     LOOP
       EXECUTE format('GRANT EXECUTE ON FUNCTION ${CONSENT_SCHEMA}.${noteExport} TO %I', service);
     END LOOP;
   END $$`,
  `ALTER FUNCTION grant_service_rights(name) RENAME TO grant_rights_before_exports`,
  `REVOKE ALL ON FUNCTION grant_rights_before_exports(name) FROM PUBLIC`,
  `CREATE FUNCTION grant_service_rights(service name) RETURNS void LANGUAGE plpgsql ${noPath} AS $$
   BEGIN
     PERFORM grant_rights_before_exports(service);
     EXECUTE format('GRANT EXECUTE ON FUNCTION ${noteExport} TO %I', service);
   END $$`,
  `REVOKE ALL ON FUNCTION grant_service_rights(name) FROM PUBLIC`,
];

export class AdminActs1763880000000 implements MigrationInterface {
  readonly name = 'AdminActs1763880000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('what was done to the record is never forgotten'));
  }
}
