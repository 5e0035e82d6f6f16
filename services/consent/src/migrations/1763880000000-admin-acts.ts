import type { MigrationInterface, QueryRunner } from '@entente/postgres';
import { CONSENT_SCHEMA } from './schema.ts';

const noPath = `SET search_path = ${CONSENT_SCHEMA}, pg_temp`;

/** AUDIT (ADR 35): imports and exports are acts on the record too. An export reads alone, so the service tells of it. */
const statements = [
  `CREATE FUNCTION log_import() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   BEGIN
     PERFORM append_admin_entry(NEW.controller, 'import-begun', jsonb_build_object('import', 'imp_' || NEW.id,
       'client', NEW.client, 'format', NEW.settings -> 'format', 'dryRun', NEW.settings -> 'dryRun'));
     RETURN NULL;
   END $$`,
  `REVOKE ALL ON FUNCTION log_import() FROM PUBLIC`,
  `CREATE TRIGGER log_import AFTER INSERT ON import_job FOR EACH ROW EXECUTE FUNCTION log_import()`,
  `CREATE FUNCTION note_export(of_controller text, by_client text, with_identifiers boolean) RETURNS void
     LANGUAGE plpgsql SECURITY DEFINER ${noPath} AS $$
   BEGIN
     PERFORM append_admin_entry(of_controller, 'export-begun',
       jsonb_build_object('client', by_client, 'identifiers', with_identifiers));
   END $$`,
  `REVOKE ALL ON FUNCTION note_export(text, text, boolean) FROM PUBLIC`,
  `ALTER FUNCTION grant_service_rights(name) RENAME TO grant_rights_before_exports`,
  `REVOKE ALL ON FUNCTION grant_rights_before_exports(name) FROM PUBLIC`,
  `CREATE FUNCTION grant_service_rights(service name) RETURNS void LANGUAGE plpgsql ${noPath} AS $$
   BEGIN
     PERFORM grant_rights_before_exports(service);
     EXECUTE format('GRANT EXECUTE ON FUNCTION note_export(text, text, boolean) TO %I', service);
   END $$`,
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
