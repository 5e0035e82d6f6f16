import type { KafkaLoginListener } from './infrastructure.ts';

/** Where one broker listens: clients and its peers on `port`, the KRaft quorum on `controllerPort`. */
export interface BrokerPlace {
  id: number;
  port: number;
  controllerPort: number;
  logDirectory: string;
  /** Where clients are to come in instead: they listen on one port and are told another, behind which a proxy stands. */
  clients?: { port: number; advertised: number };
  login?: KafkaLoginListener & { port: number };
}

/** One line, as the format of settings wants it. */
const inOneLine = (pem: string): string => pem.trim().replaceAll('\n', '\\n');

/** A listener with TLS and SASL PLAIN (Apache Kafka 4.2, "Security"): PEM key stores need no file. */
const loginProperties = ({ certificate, key, username, password }: KafkaLoginListener): Record<string, string> => ({
  'listener.name.login.ssl.keystore.type': 'PEM',
  'listener.name.login.ssl.keystore.certificate.chain': inOneLine(certificate),
  'listener.name.login.ssl.keystore.key': inOneLine(key),
  'listener.name.login.sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.login.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`,
});

/**
 * Settings of one combined broker and controller on this machine (KRaft, static quorum), as in
 * docs of Apache Kafka 4.2, "Broker Configs"; small thread pools and buffers, for a machine that runs everything else too.
 */
export function kafkaProperties(place: BrokerPlace, cluster: readonly BrokerPlace[]): string {
  const copies = cluster.length >= 3 ? 3 : 1;
  const inSync = copies === 3 ? 2 : 1;
  const { clients, login } = place;
  const atLogin = login ? [`LOGIN://127.0.0.1:${login.port}`] : [];
  const own = [...(clients ? [`CLIENT://127.0.0.1:${clients.port}`] : []), ...atLogin];
  const told = [...(clients ? [`CLIENT://127.0.0.1:${clients.advertised}`] : []), ...atLogin];
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': place.id,
    'controller.quorum.voters': cluster.map((node) => `${node.id}@127.0.0.1:${node.controllerPort}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: [`PLAINTEXT://127.0.0.1:${place.port}`, `CONTROLLER://127.0.0.1:${place.controllerPort}`, ...own].join(
      ',',
    ),
    'advertised.listeners': [`PLAINTEXT://127.0.0.1:${place.port}`, ...told].join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT,LOGIN:SASL_SSL',
    ...(login ? loginProperties(login) : {}),
    'log.dirs': place.logDirectory,
    'auto.create.topics.enable': false,
    'num.partitions': 1,
    'default.replication.factor': copies,
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.num.partitions': 2,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': inSync,
    // Groups form at once: nobody here starts a hundred consumers within three seconds.
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'background.threads': 2,
    // 128 MiB by default, allocated at start; more than 1 MiB per cleaner thread is needed.
    'log.cleaner.dedupe.buffer.size': 2_097_152,
    'log.cleaner.backoff.ms': 500,
    // A killed broker is missed after 3 s, and may register again as soon (defaults 9 s and 2 s; a heartbeat may take at most half).
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    'replica.lag.time.max.ms': 5_000,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
