/** Table in the service's schema where TypeORM records what has run. */
export const migrationsTable = 'migrations';
