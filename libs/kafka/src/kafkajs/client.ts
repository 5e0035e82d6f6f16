import { systemClock } from '@entente/observability';
import type { Kafka as KafkaJS, logCreator, RetryOptions, SASLOptions } from 'kafkajs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { KafkaOptions, Log } from '../port.ts';
import { clusterClass, createClientLogger, kafkajs, type Cluster } from './internals.ts';
import { patchClient } from './patches.ts';

/** A half-open connection is given up after this (kafka-on-node.md §1.3). */
const requestTimeoutMs = 5000;
const connectionTimeoutMs = 1500;
const keepAliveMs = 10_000;
/** How often kafkajs may repeat a line at WARN. */
const repeatMs = 5000;

/** All five are set: kafkajs's defaults change under NODE_ENV=test. Few tries: we rebuild whole clients instead. */
export const clientRetry: Required<Omit<RetryOptions, 'restartOnFailure'>> = {
  retries: 2,
  initialRetryTime: 50,
  maxRetryTime: 200,
  factor: 0.2,
  multiplier: 2,
};

const metadataMaxAgeMs = 60_000;

/** kafkajs's error is our WARN (it mends itself or we rebuild it); only these fields of it are shown, never a record. */
const shownFields = ['broker', 'clientId', 'groupId', 'memberId', 'topic', 'partition', 'retryCount', 'retryTime'];

/** Of our fewer retries, which are meant: a lost producer is replaced. */
const known = 'Limiting retries for the idempotent producer may invalidate EoS guarantees';

function logTo(log: Log, quiet: () => boolean): logCreator {
  const lastShown = new Map<string, number>();
  return () =>
    ({ namespace, level, log: entry }) => {
      const fields: Record<string, unknown> = { client: 'kafkajs', namespace, said: entry.message };
      for (const field of shownFields) if (entry[field] !== undefined) fields[field] = entry[field] as unknown;
      const serious = level <= kafkajs.logLevel.WARN && entry.message !== known;
      const now = systemClock.monotonic();
      const repeated = now - (lastShown.get(namespace) ?? -Infinity) < repeatMs;
      if (serious && !repeated && !quiet()) {
        lastShown.set(namespace, now);
        log.warn(fields, 'kafka client');
      } else log.debug(fields, 'kafka client');
    };
}

interface Destination {
  host: string;
  port: number;
  onConnect: () => void;
}

/** One set of connections of its own, which can be cut at once. */
export class Client {
  readonly kafka: KafkaJS;
  private readonly sockets = new Set<Socket>();
  private readonly options: KafkaOptions;
  private readonly secureContext: SecureContext | undefined;
  private destroyed = false;

  constructor(options: KafkaOptions) {
    patchClient();
    this.options = options;
    this.secureContext = options.ssl && createSecureContext({ ...options.ssl });
    this.kafka = new kafkajs.Kafka({
      clientId: options.clientId,
      brokers: [...options.brokers],
      ...this.security,
      connectionTimeout: connectionTimeoutMs,
      authenticationTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: true,
      retry: clientRetry,
      logLevel: kafkajs.logLevel.INFO,
      logCreator: logTo(options.log, () => this.destroyed),
      socketFactory: this.socketFactory,
    });
  }

  /** For reading without a group; the caller disconnects it. */
  cluster(): Cluster {
    return new clusterClass({
      logger: createClientLogger({
        level: kafkajs.logLevel.INFO,
        logCreator: logTo(this.options.log, () => this.destroyed),
      }),
      socketFactory: this.socketFactory,
      brokers: [...this.options.brokers],
      ...this.security,
      clientId: this.options.clientId,
      connectionTimeout: connectionTimeoutMs,
      authenticationTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: true,
      metadataMaxAge: metadataMaxAgeMs,
      allowAutoTopicCreation: false,
      isolationLevel: readCommitted,
      retry: clientRetry,
    });
  }

  /** Cuts every connection; requests under way fail now instead of at their timeout. */
  destroy(): void {
    this.destroyed = true;
    for (const socket of this.sockets) socket.destroy(new Error('given up'));
    this.sockets.clear();
  }

  /** kafkajs keeps its authenticator in the object it is given: each client has one of its own. */
  private get security(): { ssl: boolean; sasl?: SASLOptions } {
    const { ssl, sasl } = this.options;
    return { ssl: ssl !== undefined, ...(sasl ? { sasl: { ...sasl } } : {}) };
  }

  /** kafkajs's own leaves Nagle's algorithm on, which costs up to 40 ms. */
  private readonly socketFactory = ({ host, port, onConnect }: Destination): Socket => {
    if (this.destroyed) throw new Error('this client was given up');
    const to = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs };
    const { secureContext } = this;
    const socket = secureContext
      ? connectTls({ ...to, secureContext, ...(isIP(host) ? {} : { servername: host }) }, onConnect)
      : connect(to, onConnect);
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    return socket;
  };
}

/** kafkajs/src/protocol/isolationLevel: READ_COMMITTED. */
export const readCommitted = 1;

export const shared = { metadataMaxAgeMs, allowAutoTopicCreation: false } as const;
