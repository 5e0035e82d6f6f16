import { execFile } from 'node:child_process';
import { appendFile, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { systemClock } from '@entente/observability';
import { readInfrastructureConfig } from './config.ts';
import { InfrastructureError, type DatabaseServer } from './infrastructure.ts';
import { NativePostgres } from './native-postgres.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { postgresUser } from './run-as.ts';
import { Supervisor } from './supervisor.ts';

const execute = promisify(execFile);

interface StandbyOptions {
  /** Of a PostgreSQL that runs natively on this machine. */
  readonly primaryUrl: string;
  /** Where the standby fetches the log: the primary's port, or that of a line which can be cut. */
  readonly replicationPort: number;
  /** A directory that does not exist yet, in one that every user may enter. */
  readonly home: string;
}

/** How a standby names itself to its primary. */
const standbyName = 'standby';

export interface Standby {
  readonly port: number;
  /** As itself, past every line. */
  readonly url: string;
  readonly server: DatabaseServer;
  /** RST-3: from here on the primary answers no commit that this standby has not on its disk. */
  acknowledge(): Promise<void>;
  /** Ends recovery: from here on it is a primary, on a timeline of its own. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A hot standby, made by a physical copy (the package has no pg_basebackup). It follows asynchronously until it is told to
 * acknowledge: for tests of what a failover loses, and of one that loses nothing.
 */
export async function startStandby({ primaryUrl, replicationPort, home }: StandbyOptions): Promise<Standby> {
  const config = readInfrastructureConfig();
  const [binaries, runAs] = await Promise.all([postgresBinaries(config.cache), postgresUser()]);
  const data = join(home, 'data');
  await mkdir(home, { mode: 0o700 });
  const { username, password } = new URL(primaryUrl);
  await copyOf(primaryUrl, data);
  await rm(join(data, 'postmaster.pid'), { force: true });
  await writeFile(join(data, 'standby.signal'), '');
  const line = `host=127.0.0.1 port=${replicationPort} user=${username} password=${decodeURIComponent(password)} application_name=${standbyName}`;
  await appendFile(
    join(data, 'postgresql.auto.conf'),
    `primary_conninfo = '${line}'\nwal_retrieve_retry_interval = 200\n`,
  );
  for (const path of runAs ? [home, data, ...['standby.signal', 'backup_label'].map((file) => join(data, file))] : [])
    if (runAs) await chown(path, runAs.uid, runAs.gid);
  const supervisor = await Supervisor.open(join(home, 'run'), 'shared');
  const env = { ...config.env, LD_LIBRARY_PATH: binaries.lib, LC_ALL: 'C', TZ: 'UTC' };
  const cluster = { binaries, runAs, data, password: decodeURIComponent(password), env };
  const server = await NativePostgres.start(supervisor, cluster).catch(async (error: unknown) => {
    await supervisor.finish();
    throw error;
  });
  const url = new URL(primaryUrl);
  url.port = String(server.port);
  return {
    port: server.port,
    url: url.href,
    server,
    acknowledge: () =>
      withClient(primaryUrl, async (client) => {
        // Long enough for a standby whose line was cut for a while.
        await client.query(`ALTER SYSTEM SET wal_keep_size = '512MB'`);
        await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${standbyName}'`);
        await client.query('SELECT pg_reload_conf()');
        await untilSynchronous(client);
      }),
    promote: () => withClient(url.href, async (client) => void (await client.query('SELECT pg_promote()'))),
    stop: () => supervisor.finish(),
  };
}

const synchronousTimeoutMs = 60_000;

/** A setting takes effect in each process of the server at its own next look. */
async function untilSynchronous(client: pg.Client): Promise<void> {
  const deadline = systemClock.monotonic() + synchronousTimeoutMs;
  for (;;) {
    const { rows } = await client.query<{ state: string }>(
      'SELECT sync_state AS state FROM pg_stat_replication WHERE application_name = $1',
      [standbyName],
    );
    if (rows.some(({ state }) => state === 'sync')) return;
    if (systemClock.monotonic() > deadline)
      throw new InfrastructureError(`the standby acknowledges nothing: ${rows[0]?.state ?? 'it is not connected'}`);
    await pause(50);
  }
}

/** The data directory as it may be copied while the server runs, with the label that makes the copy whole. */
async function copyOf(primaryUrl: string, data: string): Promise<void> {
  await withClient(primaryUrl, async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    await client.query(`SELECT pg_backup_start('standby', true)`);
    await execute('cp', ['-a', rows[0]?.data_directory ?? '', data]).catch(unlessVanished);
    const stopped = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await writeFile(join(data, 'backup_label'), stopped.rows[0]?.labelfile ?? '');
  });
}

/** A server at work removes files while it is copied; the log tells whoever reads the copy what they held. */
function unlessVanished(error: unknown): void {
  const { stderr = '' } = error as { readonly stderr?: string };
  const complaints = stderr.split('\n').filter((line) => line !== '');
  if (complaints.length === 0 || !complaints.every((line) => line.endsWith('No such file or directory'))) throw error;
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
