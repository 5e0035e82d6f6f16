import { createHttpApp, runService } from '@entente/http';
import { createKafka } from '@entente/kafka';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import { createPool, pendingMigrations } from '@entente/postgres';
import { loadOpsConfig } from './config.ts';
import { opsMigrations } from './migrations/index.ts';
import { OpsModule } from './ops.module.ts';
import { Sweeper } from './tracker/sweeper.ts';
import { Tracker } from './tracker/tracker.ts';

const config = loadOpsConfig();
const log = createLogger({ service: 'ops', level: config.logLevel });
const metrics = createMetrics();
const pool = createPool({ url: config.databaseUrl, schema: 'ops', name: config.instance, max: 12 });

const pending = await pendingMigrations(pool, { schema: 'ops', migrations: opsMigrations });
if (pending.length > 0) {
  log.error({ pending }, 'migrations are pending: run `entente migrate`');
  process.exit(1);
}

const kafka = createKafka({ clientId: config.instance, brokers: config.kafkaBootstrap, log });
const tracker = new Tracker(pool, kafka, log, metrics);
const sweeper = new Sweeper(pool, systemClock, log, metrics, tracker);
const app = await createHttpApp({ module: OpsModule.forRoot({ config, pool, tracker, metrics, log }), log });
const starting = tracker.start().then(() => sweeper.start());
await runService({
  app,
  port: config.httpPort,
  host: config.httpHost,
  log,
  onShutdown: async () => {
    await sweeper.stop();
    await tracker.stop();
    await kafka.close();
    await pool.end();
  },
});
await starting;
