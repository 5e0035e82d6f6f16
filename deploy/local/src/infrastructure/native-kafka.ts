import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@entente/observability';
import type { InfrastructureConfig } from './config.ts';
import { InfrastructureError, type Broker, type KafkaLoginListener, type KafkaProvided } from './infrastructure.ts';
import { describeBrokers } from './kafka-metadata.ts';
import { classArchive } from './kafka-classes.ts';
import { brokerCommand, startedLine } from './kafka-command.ts';
import { formatNode, formattedTemplate } from './kafka-format.ts';
import { kafkaProperties, type BrokerPlace } from './kafka-properties.ts';
import { checkJava, kafkaJars } from './maven-jars.ts';
import { freePorts } from './ports.ts';
import { lastLines, type Server, type Supervisor } from './supervisor.ts';

/** A broker is up in 2 s on an idle machine; after a crash it checks its logs first. */
const startTimeoutMs = 90_000;
/** Another process can take a port between our look and the broker's. */
const portTries = 3;

interface Cluster {
  supervisor: Supervisor;
  config: InfrastructureConfig;
  classPath: string;
  /** What formatting leaves in a log directory, apart from the ids. */
  template: string;
  /** The broker's classes, ready to be mapped. */
  archive: string | undefined;
  home: string;
  /** Its data outlives us, so a stop in order is worth waiting for. */
  kept: boolean;
  places: BrokerPlace[];
}

interface ClusterOptions {
  brokers: 1 | 3;
  advertise: readonly number[];
  login?: KafkaLoginListener | undefined;
}

/** Apache Kafka as Java processes of this machine. `home` is the directory for data and settings. */
export async function nativeKafka(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  home: string,
  options: ClusterOptions & { kept: boolean; say: (line: string) => void },
): Promise<KafkaProvided> {
  const java = await checkJava(config);
  const jars = await kafkaJars(supervisor, config, options.say);
  const template = await formattedTemplate(supervisor, config, jars);
  const archive = await classArchive(supervisor, config, jars, template, java);
  const { classPath, version } = jars;
  const base = { supervisor, config, classPath, template, archive, home, kept: options.kept };
  const { brokers } = await startCluster(base, options);
  return {
    info: { version, brokers },
    description: `Apache Kafka ${version} native KRaft, ${options.brokers === 1 ? '1 broker' : `${options.brokers} brokers`}`,
  };
}

async function startCluster(
  base: Omit<Cluster, 'places'>,
  options: ClusterOptions,
): Promise<{ brokers: NativeBroker[] }> {
  for (let attempt = 1; ; attempt += 1) {
    const cluster = { ...base, places: await choosePlaces(base.home, options) };
    await prepare(cluster);
    const brokers = cluster.places.map((place) => new NativeBroker(cluster, place));
    const started = await Promise.allSettled(brokers.map((broker) => broker.start()));
    const failure = started.find((result) => result.status === 'rejected');
    if (!failure) {
      await Promise.all(brokers.map((broker) => broker.untilItSees(options.brokers)));
      return { brokers };
    }
    await Promise.all(brokers.map((broker) => broker.kill('SIGKILL')));
    if (attempt >= portTries || !String(failure.reason).includes('Address already in use')) throw failure.reason;
  }
}

const portsOfBroker = 4;

async function choosePlaces(home: string, { brokers, advertise, login }: ClusterOptions): Promise<BrokerPlace[]> {
  const ports = await freePorts(portsOfBroker * brokers);
  return Array.from({ length: brokers }, (_, index) => {
    const own = ports.slice(portsOfBroker * index) as [number, number, number, number];
    const [port, controllerPort, clientPort, loginPort] = own;
    const advertised = advertise[index];
    return {
      ...{ id: index + 1, port, controllerPort, logDirectory: join(home, `n${index + 1}`) },
      ...(advertised === undefined ? {} : { clients: { port: clientPort, advertised } }),
      ...(login ? { login: { ...login, port: loginPort } } : {}),
    };
  });
}

/** Writes every node's settings, and formats what no earlier run has formatted. */
async function prepare(cluster: Cluster): Promise<void> {
  const { home, places, template } = cluster;
  await mkdir(home, { recursive: true, mode: 0o700 });
  await Promise.all(
    places.map((place) => writeFile(propertiesFile(cluster, place), kafkaProperties(place, places), { mode: 0o600 })),
  );
  for (const place of places) await formatNode(template, home, place);
}

const propertiesFile = (cluster: Cluster, place: BrokerPlace): string => join(cluster.home, `n${place.id}.properties`);

class NativeBroker implements Broker {
  readonly id: number;
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly clientPort: number | undefined;
  readonly loginPort: number | undefined;
  readonly logDirectory: string;
  private server: Server | undefined;

  constructor(
    private readonly cluster: Cluster,
    private readonly place: BrokerPlace,
  ) {
    this.id = place.id;
    this.port = place.port;
    this.clientPort = place.clients?.port;
    this.loginPort = place.login?.port;
    this.logDirectory = place.logDirectory;
  }

  get pid(): number | undefined {
    return this.server?.pid;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const server = this.server;
    if (!server) return;
    server.signal(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await server.exited;
  }

  async start(): Promise<void> {
    if (this.server) throw new InfrastructureError(`broker ${this.id} is running already`);
    const { supervisor, config, classPath, archive, kept } = this.cluster;
    const name = `kafka-${this.id}`;
    const logFrom = await stat(join(supervisor.runDirectory, `${name}.log`)).then(
      ({ size }) => size,
      () => 0,
    );
    const server = await supervisor.run({
      name,
      command: config.java,
      args: brokerCommand({
        ...{ classPath, properties: propertiesFile(this.cluster, this.place) },
        java: archive === undefined ? [] : [`-XX:SharedArchiveFile=${archive}`],
      }),
      env: config.env,
      stop: kept ? 'SIGTERM' : 'SIGKILL',
      abandon: kept ? 'SIGTERM' : 'SIGKILL',
    });
    this.server = server;
    void server.exited.then(() => {
      if (this.server === server) this.server = undefined;
    });
    await this.untilMember(server, logFrom);
  }

  /** The internal topics are made with the cluster's replication factor, so the first client waits for every broker. */
  async untilItSees(count: number): Promise<void> {
    const deadline = systemClock.monotonic() + startTimeoutMs;
    while ((await describeBrokers(this.host, this.port)).length < count) {
      if (systemClock.monotonic() > deadline)
        throw new InfrastructureError(`broker ${this.id} does not see ${count} brokers`);
      await pause(50);
    }
  }

  /** Up means both: its own log says so, and it describes a cluster that it belongs to. */
  private async untilMember(server: Server, logFrom: number): Promise<void> {
    const deadline = systemClock.monotonic() + startTimeoutMs;
    let last = 'its log does not say that it started';
    while (this.server === server) {
      const log = await readFile(server.log);
      if (log.subarray(logFrom).includes(startedLine)) {
        try {
          const members = await describeBrokers(this.host, this.port);
          if (members.some(({ id }) => id === this.id)) return;
          last = `it sees brokers ${members.map(({ id }) => id).join(', ')}`;
        } catch (error) {
          last = String(error);
        }
      }
      if (systemClock.monotonic() > deadline)
        throw new InfrastructureError(
          `broker ${this.id} was not ready in ${startTimeoutMs} ms: ${last}\n${await lastLines(server.log)}`,
        );
      await pause(50);
    }
    throw new InfrastructureError(`broker ${this.id} ended while starting:\n${await lastLines(server.log, 30)}`);
  }
}
