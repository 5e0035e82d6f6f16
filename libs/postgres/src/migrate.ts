import type { Logger } from '@entente/observability';
import { DatabaseError } from 'pg';
import type { Client, Pool } from 'pg';
import { createClient } from './connections.ts';
import type { MigrationClass } from './data-source.ts';
import { migrationsTable } from './migrations-table.ts';
import { checkedSchema } from './session-settings.ts';

export interface MigrateOptions {
  readonly url: string;
  readonly schema: string;
  readonly migrations: readonly MigrationClass[];
  readonly log: Logger;
}

/** SQLSTATEs of "no such table" and "no such schema". */
const notThere = new Set(['42P01', '3F000']);

/**
 * Creates the schema if it is missing and runs what is pending, one transaction per migration.
 * A session advisory lock makes two at once safe: the second waits, then finds nothing to do.
 * @returns the names of the migrations that ran.
 */
export async function migrate({ url, schema, migrations, log }: MigrateOptions): Promise<string[]> {
  const lockHolder = createClient({ url, schema, name: `${schema}-migrate` });
  await lockHolder.connect();
  try {
    await lockHolder.query(`SELECT pg_advisory_lock(hashtextextended('entente.migrate.' || $1::text, 0))`, [schema]);
    await createSchema(lockHolder, schema);
    return await runPending({ url, schema, migrations, log });
  } finally {
    // Ending the session frees the lock, also when something above went wrong.
    await lockHolder.end();
  }
}

async function createSchema(client: Client, schema: string): Promise<void> {
  // CREATE SCHEMA IF NOT EXISTS asks for the right to create even where the schema exists.
  const { rowCount } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  if (rowCount === 0) await client.query(`CREATE SCHEMA ${checkedSchema(schema)}`);
}

async function runPending({ url, schema, migrations, log }: MigrateOptions): Promise<string[]> {
  // TypeORM is 330 modules, and services, which migrate nothing, have no other use for it.
  const { createDataSource } = await import('./data-source.ts');
  const source = createDataSource({ url, schema, entities: [], migrations, name: `${schema}-migrate` });
  await source.initialize();
  try {
    const ran = await source.runMigrations({ transaction: 'each' });
    for (const { name } of ran) log.info({ schema, migration: name }, 'migration applied');
    return ran.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
}

/** Names of the migrations this build needs and the database has not run, in order. */
export async function pendingMigrations(
  pool: Pool,
  { schema, migrations }: { readonly schema: string; readonly migrations: readonly MigrationClass[] },
): Promise<string[]> {
  const applied = await appliedMigrations(pool, schema);
  return migrations.map((Migration) => new Migration().name ?? Migration.name).filter((name) => !applied.has(name));
}

async function appliedMigrations(pool: Pool, schema: string): Promise<ReadonlySet<string>> {
  try {
    const { rows } = await pool.query<{ name: string }>(`SELECT name FROM ${checkedSchema(schema)}.${migrationsTable}`);
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    if (error instanceof DatabaseError && notThere.has(error.code ?? '')) return new Set();
    throw error;
  }
}
