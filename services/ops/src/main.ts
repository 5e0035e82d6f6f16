import { controllerId } from '@entente/contracts';
import { createHttpApp, runService, TokenSource } from '@entente/http';
import { createKafka } from '@entente/kafka';
import { createLogger, createMetrics, startTracing, systemClock } from '@entente/observability';
import { createPool, pendingMigrations } from '@entente/postgres';
import { constants, setPriority } from 'node:os';
import { Canaries } from './canary/canaries.ts';
import { CanaryCalls } from './canary/canary-calls.ts';
import { canariesOf } from './canary/canary-settings.ts';
import { loadOpsConfig } from './config.ts';
import { ConnectorApi } from './connectors/connector-api.ts';
import { opsMigrations } from './migrations/index.ts';
import { EgressAudit } from './leaks/egress-audit.ts';
import { OpsModule } from './ops.module.ts';
import { Sweeper } from './tracker/sweeper.ts';
import { Tracker } from './tracker/tracker.ts';

/** Nothing this service asks takes a second; a sweep over a day's backlog some. */
const databaseTimeoutMs = 20_000;

const config = loadOpsConfig();
const log = createLogger({ service: 'ops', level: config.logLevel });
// What is watched goes first where both share processors: a measurement written down later is the same measurement.
try {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch (err) {
  log.warn({ err }, 'this process keeps its priority');
}
const metrics = createMetrics();
const tracing = await startTracing({
  ...{ endpoint: config.otlpEndpoint, ratio: config.traceRatio },
  ...{ service: 'ops', instance: config.instance, log },
});
const pool = createPool({
  ...{ url: config.databaseUrl, schema: 'ops', name: config.instance, max: 12 },
  ...{ statementTimeoutMs: databaseTimeoutMs, transactionTimeoutMs: databaseTimeoutMs },
  onIdleError: (err) => log.warn({ err }, 'database connection lost'),
});

const pending = await pendingMigrations(pool, { schema: 'ops', migrations: opsMigrations });
if (pending.length > 0) {
  log.error({ pending }, 'migrations are pending: run `entente migrate`');
  process.exit(1);
}

const kafka = createKafka({ clientId: config.instance, ...config.kafka, log });
const tracker = new Tracker(pool, kafka, log, metrics, tracing);
const egressAudit = new EgressAudit(pool, kafka, log, metrics);
const sweeper = new Sweeper(pool, systemClock, log, metrics, tracker);
const tokensOf = (clientId: string, clientSecret: string): TokenSource =>
  new TokenSource({ tokenEndpoint: config.tokenUrl, clientId, clientSecret });
const { consentUrl, connectorUrls } = config;
const connectors = new ConnectorApi({
  urls: connectorUrls,
  consentUrl,
  tokens: tokensOf(config.clientId, config.clientSecret),
});
const canaries = new Canaries({
  pool,
  controller: controllerId(config.controller),
  settings: canariesOf(config.canaries),
  everyMs: config.canaryEveryMs,
  calls: new CanaryCalls({
    consentUrl,
    connectorUrls,
    tokens: tokensOf(config.canaryClientId ?? '', config.canaryClientSecret ?? ''),
  }),
  subjectKey: (subjectId) => connectors.subjectKey(subjectId),
  clock: systemClock,
  log,
  metrics,
});
const module = OpsModule.forRoot({ config, pool, tracker, connectors, canaries, metrics, log });
const app = await createHttpApp({ module, log, tracing });
const starting = tracker.start().then(() => {
  sweeper.start();
  canaries.start();
});
egressAudit.start().catch((err: unknown) => log.error({ err }, 'the egress audit cannot start'));
await runService({
  app,
  port: config.httpPort,
  host: config.httpHost,
  log,
  onShutdown: async () => {
    await canaries.stop();
    await sweeper.stop();
    await Promise.all([tracker.stop(), egressAudit.stop()]);
    await kafka.close();
    await pool.end();
    await tracing.stop();
  },
});
await starting;
