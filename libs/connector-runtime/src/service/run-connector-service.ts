import { topics } from '@entente/contracts';
import { createHttpApp, Readiness, runService, type RunningService } from '@entente/http';
import type { EventSource } from '@entente/kafka';
import { KafkaEventServer } from '@entente/kafka/nest';
import { createLogger, createMetrics, startTracing, systemClock } from '@entente/observability';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { PartnerDefinition } from '../partner/definition.ts';
import { forgetPosition, leaveGap, storedPositions } from '../store/log-positions.ts';
import { takeNdjson } from '../http/ndjson-body.ts';
import { loadConnectorConfig } from './config.ts';
import { ConnectorModule } from './connector.module.ts';
import { ConnectorParts } from './connector-parts.ts';
import { collectConsumers } from './consumer-gauges.ts';

export interface ConnectorService {
  readonly name: string;
  readonly schema: string;
  readonly audience: string;
  readonly partners: readonly PartnerDefinition<object>[];
}

/** REC-6: each log has a consumer of its own. */
const consumedTopics = [topics.revocations, topics.changes, topics.catalogue, topics.shareRequests] as const;
const drainMs = 2_000;
/** Records that follow another within so many milliseconds gather: the gates have closed by then, and a partner takes longer. */
const gatherMs: Readonly<Record<string, number>> = { [topics.revocations]: 10, [topics.changes]: 50 };

/** The whole of a connector service's `main`: configuration, parts, HTTP, consumers; and the way down in reverse. */
export async function runConnectorService(service: ConnectorService): Promise<RunningService | null> {
  const { name, schema, audience, partners } = service;
  const { config, recipients } = loadConnectorConfig(partners);
  const log = createLogger({ service: name, level: config.logLevel });
  const metrics = createMetrics({ processMetrics: true });
  const clock = systemClock;
  const tracing = await startTracing({
    ...{ endpoint: config.otlpEndpoint, ratio: config.traceRatio },
    ...{ service: name, instance: config.instance, log },
  });
  const surroundings = { config, recipients, clock, log, metrics, tracing };
  const parts = await ConnectorParts.open({ name, schema, audience, ...surroundings });
  try {
    await parts.start();
    const sources = new Map<string, EventSource>(
      consumedTopics.map((topic) => [topic, parts.kafka.source({ gatherMs: gatherMs[topic] ?? 0 })]),
    );
    collectConsumers(metrics, clock, sources, [...parts.recipients.keys()]);
    const app = await createHttpApp({
      module: ConnectorModule.forRoot({ config, parts, sources, metrics }),
      log,
      tracing,
      maxBodyBytes: maxShareBodyBytes,
    });
    takeNdjson(app);
    const servers = [...sources].map(([topic, source]) => {
      source.onFatal((err) => log.error({ err, topic }, 'consumer needs a person'));
      return new KafkaEventServer({
        source,
        log,
        groupId: `${name}.${topic}`,
        topics: [topic],
        positions: (tps) => storedPositions(parts.pool, tps),
        onOutOfRange: async (tp) => {
          log.error(
            { topic: tp.topic, partition: tp.partition },
            'stored position lies outside the log; reading from its low end',
          );
          if (tp.topic === topics.shareRequests) await forgetPosition(parts.pool, tp);
          else {
            await leaveGap(parts.pool, tp);
            parts.afterLoss.compare();
          }
        },
        commitAfterRecords: true,
        drainMs,
      });
    });
    for (const strategy of servers) app.connectMicroservice<MicroserviceOptions>({ strategy });
    const running = await runService({
      app,
      port: config.httpPort,
      host: config.httpHost,
      log,
      onShutdown: async () => {
        await Promise.all(servers.map((server) => server.close()));
        await parts.stop();
        await tracing.stop();
      },
    });
    app
      .get(Readiness, { strict: false })
      .draining.addEventListener('abort', () => void parts.stopSharing(), { once: true });
    // Kafka may be away for long; HTTP answers meanwhile, and readiness says what is missing.
    app.startAllMicroservices().catch((err: unknown) => log.error({ err }, 'consumers cannot start'));
    return running;
  } catch (err) {
    log.fatal({ err }, 'the connector cannot start');
    process.exitCode = 1;
    await parts.stop();
    return null;
  }
}

/** 500 shares with full fields. */
const maxShareBodyBytes = 10 * 1024 * 1024;
