import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { StartedNetwork, StartedTestContainer } from 'testcontainers';
import { systemClock } from '@entente/observability';
import { setTimeout as pause } from 'node:timers/promises';
import { InfrastructureError, type Broker, type KafkaProvided, type PostgresProvided } from './infrastructure.ts';
import { describeBrokers } from './kafka-metadata.ts';
import type { WalLevel } from './native-postgres.ts';
import { freePorts } from './ports.ts';

const execute = promisify(execFile);
const postgresImage = 'postgres:18';
const kafkaImage = 'apache/kafka:4.2.0';
/** A client without an engine answers at once; an engine that takes longer than this is not one to rely on. */
const engineTimeoutMs = 5_000;
const startTimeoutMs = 120_000;

/** Undefined when a Docker engine answers; else why none is used. */
export async function whyNoDocker(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const { stdout } = await execute('docker', ['version', '--format', '{{.Server.Version}}'], {
      env,
      timeout: engineTimeoutMs,
    });
    return stdout.trim() === '' ? 'no Docker engine answers' : undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'Docker is not installed' : 'no Docker engine answers';
  }
}

export async function dockerPostgres(walLevel: WalLevel = 'replica'): Promise<PostgresProvided> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const password = randomBytes(18).toString('base64url');
  const container = await new GenericContainer(postgresImage)
    .withEnvironment({ POSTGRES_USER: 'entente', POSTGRES_PASSWORD: password, POSTGRES_DB: 'entente' })
    .withCommand([
      'postgres',
      '-c',
      'max_connections=300',
      '-c',
      'shared_buffers=256MB',
      '-c',
      'track_commit_timestamp=on',
      '-c',
      `wal_level=${walLevel}`,
    ])
    .withExposedPorts(5432)
    // Once for the server that runs the image's own set-up, once for the real one.
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .withStartupTimeout(startTimeoutMs)
    .start();
  return {
    databaseUrl: `postgres://entente:${password}@${container.getHost()}:${container.getMappedPort(5432)}/entente`,
    info: { version: postgresImage.replace('postgres:', '') },
    description: `PostgreSQL in Docker (${postgresImage})`,
    stop: () => stopAll([container]),
  };
}

export async function dockerKafka(count: 1 | 3): Promise<KafkaProvided> {
  const { Network } = await import('testcontainers');
  const network = await new Network().start();
  const ports = await freePorts(count);
  const started = await Promise.allSettled(ports.map((port, index) => startBroker(network, index + 1, port, count)));
  const containers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = (): Promise<void> => stopAll(containers, network);
  const failure = started.find((result) => result.status === 'rejected');
  if (failure) {
    await stop();
    throw failure.reason;
  }
  const brokers = containers.map((container, index) => containerBroker(container, index + 1, ports[index] as number));
  await Promise.all(brokers.map(untilAMember));
  const description = `Apache Kafka in Docker (${kafkaImage}), ${count === 1 ? '1 broker' : `${count} brokers`}`;
  return { info: { version: kafkaImage.replace('apache/kafka:', ''), brokers }, description, stop };
}

async function startBroker(
  network: StartedNetwork,
  id: number,
  port: number,
  count: number,
): Promise<StartedTestContainer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const copies = `${count}`;
  return (
    new GenericContainer(kafkaImage)
      .withNetwork(network)
      .withNetworkAliases(`kafka-${id}`)
      // A fixed port of the host: the broker advertises it, and has the same after a restart.
      .withExposedPorts({ container: 9092, host: port })
      .withEnvironment({
        CLUSTER_ID: '4L6g3nShT-eMCtK--X86sw',
        KAFKA_PROCESS_ROLES: 'broker,controller',
        KAFKA_NODE_ID: `${id}`,
        KAFKA_CONTROLLER_QUORUM_VOTERS: ids.map((node) => `${node}@kafka-${node}:9093`).join(','),
        KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
        KAFKA_LISTENERS: 'PLAINTEXT://:9092,INTERNAL://:9094,CONTROLLER://:9093',
        KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port},INTERNAL://kafka-${id}:9094`,
        KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT',
        KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
        KAFKA_DEFAULT_REPLICATION_FACTOR: copies,
        KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '4',
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: copies,
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: copies,
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: count === 3 ? '2' : '1',
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
        KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
        KAFKA_BROKER_SESSION_TIMEOUT_MS: '3000',
        KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: '500',
        KAFKA_REPLICA_LAG_TIME_MAX_MS: '5000',
      })
      .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
      .withStartupTimeout(startTimeoutMs)
      .start()
  );
}

function containerBroker(container: StartedTestContainer, id: number, port: number): Broker {
  const ofEngine = async (): Promise<{
    kill(o: { signal: string }): Promise<unknown>;
    start(): Promise<unknown>;
    wait(): Promise<unknown>;
  }> => {
    const { getContainerRuntimeClient } = await import('testcontainers');
    return (await getContainerRuntimeClient()).container.getById(container.getId());
  };
  const broker: Broker = {
    id,
    host: '127.0.0.1',
    port,
    kill: async (signal) => {
      const running = await ofEngine();
      await running.kill({ signal });
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await running.wait();
    },
    start: async () => {
      await (await ofEngine()).start();
      await untilAMember(broker);
    },
  };
  return broker;
}

async function untilAMember(broker: Broker): Promise<void> {
  const deadline = systemClock.monotonic() + startTimeoutMs;
  for (;;) {
    const members = await describeBrokers(broker.host, broker.port).catch(() => []);
    if (members.some(({ id }) => id === broker.id)) return;
    if (systemClock.monotonic() > deadline)
      throw new InfrastructureError(`broker ${broker.id} in Docker was not ready in ${startTimeoutMs} ms`);
    await pause(100);
  }
}

async function stopAll(containers: readonly StartedTestContainer[], network?: StartedNetwork): Promise<void> {
  await Promise.all(containers.map((container) => container.stop({ remove: true, removeVolumes: true, timeout: 0 })));
  await network?.stop();
}
