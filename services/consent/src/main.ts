import { createHttpApp, runService } from '@entente/http';
import { createLogger, createMetrics, startTracing, systemClock } from '@entente/observability';
import { checkCatalogueAudiences } from './catalogue/check-audiences.ts';
import { loadConsentConfig, parseKeyRings } from './config.ts';
import { ConsentModule } from './consent.module.ts';
import { ConsentParts } from './consent-parts.ts';
import { readinessChecks } from './readiness.ts';

const config = loadConsentConfig();
const log = createLogger({ service: 'consent', level: config.logLevel });
const metrics = createMetrics({ processMetrics: true });
const tracing = await startTracing({
  ...{ endpoint: config.otlpEndpoint, ratio: config.traceRatio },
  ...{ service: 'consent', instance: config.instance, log },
});
const parts = new ConsentParts({ config, clock: systemClock, log, metrics, tracing });
const checks = readinessChecks(parts);

try {
  const app = await createHttpApp({ module: ConsentModule.forRoot({ config, parts, metrics, checks }), log, tracing });
  // An upload would hold the end up for as long as it lasts.
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('preClose', (done) => {
      parts.imports.stop();
      done();
    });
  await checkCatalogueAudiences(parts.pool, new Set(parseKeyRings(config.audienceKeys).keys()), log);
  parts.start(config.api === 'on');
  await runService({
    ...{ app, port: config.httpPort, host: config.httpHost, log },
    onShutdown: async () => {
      await parts.stop();
      await tracing.stop();
    },
  });
} catch (err) {
  log.fatal({ err }, 'the consent service cannot start');
  process.exitCode = 1;
  await parts.stop();
}
