import { AbstractLogger, DataSource } from 'typeorm';
import type { MigrationInterface } from 'typeorm';
import { migrationsTable } from './migrations-table.ts';
import { checkedSchema, startupOptions } from './session-settings.ts';

type EntityClass = new (...values: never[]) => object;
export type MigrationClass = new () => MigrationInterface;

export interface DataSourceSettings {
  readonly url: string;
  readonly schema: string;
  readonly entities: readonly EntityClass[];
  readonly migrations: readonly MigrationClass[];
  readonly name?: string;
  readonly max?: number;
}

/** TypeORM prints failed migrations to the console whatever `logging` says; the error itself reaches the caller. */
class SilentLogger extends AbstractLogger {
  protected override writeLog(): void {
    // Nothing: see above.
  }
}

/** A TypeORM data source that never changes the schema by itself; not yet initialised. */
export function createDataSource({ url, schema, entities, migrations, name, max }: DataSourceSettings): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    schema: checkedSchema(schema),
    entities: [...entities],
    migrations: [...migrations],
    migrationsTableName: migrationsTable,
    synchronize: false,
    migrationsRun: false,
    logging: false,
    logger: new SilentLogger(),
    installExtensions: false,
    applicationName: name ?? `${schema}-typeorm`,
    extra: { options: startupOptions(schema, {}), max: max ?? 2, keepAlive: true },
  });
}
