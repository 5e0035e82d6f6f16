import { audience, controllerId, recipientId } from '@entente/contracts';
import { Gate } from '@entente/gate';
import { TokenSource } from '@entente/http';
import { createKafka, type Kafka } from '@entente/kafka';
import { noTracing, type Clock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import { ConsentApi } from '../consent/consent-api.ts';
import type { RetryPolicy } from '../delivery-step/next-step.ts';
import { DatabaseWatch } from '../store/known-database.ts';
import type { ConfiguredRecipient, ConnectorConfig } from './config.ts';
import { MeasuredClock } from './measured-clock.ts';

export interface ConnectorPartsOptions {
  readonly name: string;
  readonly schema: string;
  readonly audience: string;
  readonly config: Readonly<ConnectorConfig>;
  readonly recipients: readonly ConfiguredRecipient[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing;
  readonly retryPolicy?: RetryPolicy;
  readonly random?: () => number;
}

/** What stands before the parts. */
export interface Ground {
  readonly gate: Gate;
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly consent: ConsentApi;
  readonly measured: MeasuredClock;
  readonly database: DatabaseHistory;
}

/** Who is to hear that the database may have lost its newest commits; set once the parts are there. */
interface DatabaseHistory {
  onLost: () => void;
  readonly look: (pool: Pool) => Promise<void>;
}

/** Opens what the parts stand on. The gate seeds itself in the background, for as long as it takes. */
export async function openGround(options: ConnectorPartsOptions): Promise<Ground> {
  const { config, clock, log, metrics, schema, tracing = noTracing } = options;
  const database: DatabaseHistory = { onLost: () => undefined, look: (of) => watch.look(of) };
  const watch = new DatabaseWatch({ log, onLost: () => database.onLost() });
  const pool = createPool({
    url: config.databaseUrl,
    schema,
    name: config.instance,
    max: 10,
    lockTimeoutMs: 2_000,
    statementTimeoutMs: 10_000,
    transactionTimeoutMs: 15_000,
    idleInTransactionTimeoutMs: 5_000,
    onIdleError: (err) => log.warn({ err }, 'database connection lost'),
    onConnect: (client) => watch.connected(client),
  });
  const kafka = createKafka({ clientId: config.instance, ...config.kafka, log });
  const tokens = new TokenSource({
    tokenEndpoint: config.tokenUrl,
    clientId: config.clientId,
    clientSecret: config.clientSecret,
    scope: 'consent:read share:write',
    audience: config.authAudience,
    clock,
  });
  const token = (): Promise<string> => tokens.getToken();
  const consent = new ConsentApi({
    consentUrl: config.consentUrl,
    audience: audience(options.audience),
    token,
    discardToken: () => tokens.discard(),
  });
  const measured = new MeasuredClock(clock);
  const gate = await Gate.open({
    controller: controllerId(config.controller),
    gate: config.gateName,
    recipients: options.recipients.map(({ id }) => recipientId(id)),
    kafka,
    consentUrl: config.consentUrl,
    token,
    directory: config.gateDirectory,
    clock,
    log,
    metrics,
    tracing,
    databaseClock: () => measured.offset,
  });
  return { gate, pool, kafka, consent, measured, database };
}
