import type { Logger } from '@entente/observability';
import { createClient, createPool, migrate, pendingMigrations, type MigrationClass } from '@entente/postgres';
import { builtFile } from './paths.ts';

/** One service's schema and where its compiled migrations are. Services are not packages, so they are loaded by path. */
const schemas = [
  { schema: 'consent', module: 'services/consent/dist/migrations/index.js', exported: 'consentMigrations' },
  { schema: 'crm_connector', module: 'libs/connector-runtime/dist/index.js', exported: 'connectorMigrations' },
  { schema: 'analytics_connector', module: 'libs/connector-runtime/dist/index.js', exported: 'connectorMigrations' },
  { schema: 'ad_partner_connector', module: 'libs/connector-runtime/dist/index.js', exported: 'connectorMigrations' },
  { schema: 'ops', module: 'services/ops/dist/migrations/index.js', exported: 'opsMigrations' },
] as const;

/** Those of the connectors. */
export const connectorSchemas = schemas
  .filter(({ exported }) => exported === 'connectorMigrations')
  .map(({ schema }) => schema);

/** Brings every service's schema up to date under an advisory lock; safe to run twice at once. */
export async function migrateAll(options: {
  databaseUrl: string;
  log: Logger;
}): Promise<{ schema: string; applied: readonly string[] }[]> {
  const results: { schema: string; applied: readonly string[] }[] = [];
  for (const { schema, module, exported } of schemas) {
    const migrations = await migrationsIn(module, exported);
    const applied = await migrate({ url: options.databaseUrl, schema, migrations, log: options.log });
    results.push({ schema, applied });
  }
  return results;
}

/** `schema: migration` of all that has not run. */
export async function migrationsPending(databaseUrl: string): Promise<string[]> {
  const missing: string[] = [];
  for (const { schema, module, exported } of schemas) {
    const migrations = await migrationsIn(module, exported);
    const pool = createPool({ url: databaseUrl, schema, name: 'entente-doctor', max: 1 });
    try {
      const pending = await pendingMigrations(pool, { schema, migrations });
      missing.push(...pending.map((name) => `${schema}: ${name}`));
    } finally {
      await pool.end();
    }
  }
  return missing;
}

async function migrationsIn(module: string, exported: string): Promise<MigrationClass[]> {
  const loaded = (await import(builtFile(module))) as Record<string, MigrationClass[] | undefined>;
  const migrations = loaded[exported];
  if (!migrations) throw new Error(`${module} exports no ${exported}`);
  return migrations;
}

/** L-3: gives the consent service's own role what it needs and no more: of the ledger, reading and appending. */
export async function grantConsentRights(databaseUrl: string, role: string): Promise<void> {
  const client = createClient({ url: databaseUrl, schema: 'consent', name: 'entente-migrate' });
  await client.connect();
  try {
    await client.query('SELECT grant_service_rights($1)', [role]);
  } finally {
    await client.end();
  }
}
