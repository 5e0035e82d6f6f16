import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePorts, javaCommand, Supervisor } from '@entente/local';

const pom = join(import.meta.dirname, 'pom.xml');
/** Java, the worker and its REST server; a loaded machine included. */
const startMs = 90_000;
const stateMs = 60_000;
const name = 'outbox';

type ConnectorState = 'RUNNING' | 'STOPPED';

/** Kafka Connect, standalone, with one connector that can be stopped and begun again with other settings. */
export class Connect {
  readonly #supervisor: Supervisor;
  readonly #url: string;
  readonly #log: string;

  private constructor(supervisor: Supervisor, url: string, log: string) {
    this.#supervisor = supervisor;
    this.#url = url;
    this.#log = log;
  }

  /** What it said last, for an error's text. */
  async said(): Promise<string> {
    return (await readFile(this.#log, 'utf8')).trimEnd().split('\n').slice(-30).join('\n');
  }

  static async start(bootstrap: readonly string[], say: (line: string) => void): Promise<Connect> {
    const supervisor = await Supervisor.open(await mkdtemp(join(tmpdir(), 'entente-connect-')), 'private');
    try {
      const [port] = (await freePorts(1)) as [number];
      const java = await javaCommand(
        supervisor,
        { name: 'debezium', pom, what: "Kafka Connect's and Debezium's jars" },
        say,
      );
      const properties = join(supervisor.runDirectory, 'worker.properties');
      await writeFile(properties, workerProperties(bootstrap, port, supervisor.runDirectory));
      const server = await supervisor.run({
        name: 'connect',
        command: java.command,
        args: ['-Xms256m', '-Xmx512m', ...java.args, 'org.apache.kafka.connect.cli.ConnectStandalone', properties],
        stop: 'SIGTERM',
        abandon: 'SIGKILL',
      });
      let running = true;
      void server.exited.then(() => (running = false));
      const connect = new Connect(supervisor, `http://127.0.0.1:${port}`, server.log);
      await until(startMs, 'Kafka Connect', async () => {
        if (!running) throw new Error(`Kafka Connect ended while starting:\n${await connect.said()}`);
        // Not listening yet is the ordinary case here; the deadline makes it an error.
        return (await connect.#ask('GET', '/').catch(() => undefined))?.ok === true;
      });
      return connect;
    } catch (error) {
      await supervisor.finish();
      throw error;
    }
  }

  /** Begins the connector, or begins it again, with these settings. */
  async run(settings: Readonly<Record<string, string>>): Promise<void> {
    await this.#must('PUT', `/connectors/${name}/config`, settings);
    await this.#must('PUT', `/connectors/${name}/resume`);
    await this.#reached('RUNNING', 1);
  }

  /** Ends its task; where it has read to is kept. */
  async halt(): Promise<void> {
    await this.#must('PUT', `/connectors/${name}/stop`);
    await this.#reached('STOPPED', 0);
  }

  async stop(): Promise<void> {
    await this.#supervisor.finish();
  }

  async #reached(state: ConnectorState, tasks: number): Promise<void> {
    await until(stateMs, `the connector to be ${state}`, async () => {
      const answer = await this.#ask('GET', `/connectors/${name}/status`);
      if (!answer.ok) return false;
      const status = (await answer.json()) as Status;
      const failed = status.tasks.find((task) => task.state === 'FAILED');
      if (failed !== undefined) throw new Error(`the connector failed: ${failed.trace ?? ''}`);
      return (
        status.connector.state === state &&
        status.tasks.length === tasks &&
        status.tasks.every((task) => task.state === 'RUNNING')
      );
    });
  }

  async #must(method: string, path: string, body?: object): Promise<void> {
    const answer = await this.#ask(method, path, body);
    if (!answer.ok) throw new Error(`Kafka Connect answered ${answer.status} to ${path}: ${await answer.text()}`);
  }

  #ask(method: string, path: string, body?: object): Promise<Response> {
    return fetch(`${this.#url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

interface Status {
  readonly connector: { readonly state: string };
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[];
}

const workerProperties = (bootstrap: readonly string[], port: number, directory: string): string =>
  Object.entries({
    'bootstrap.servers': bootstrap.join(','),
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
    'offset.storage.file.filename': join(directory, 'offsets'),
    listeners: `http://127.0.0.1:${port}`,
    // As libs/kafka: all replicas, idempotent, nothing waits for company.
    'producer.acks': 'all',
    'producer.enable.idempotence': 'true',
    'producer.linger.ms': '0',
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');

async function until(ms: number, what: string, reached: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await reached())) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`);
    await pause(100);
  }
}
