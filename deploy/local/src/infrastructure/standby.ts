import { execFile } from 'node:child_process';
import { appendFile, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { readInfrastructureConfig } from './config.ts';
import { startCluster } from './native-postgres.ts';
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

export interface Standby {
  readonly port: number;
  /** Ends recovery: from here on it is a primary, on a timeline of its own. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A hot standby that follows asynchronously, made by a physical copy (the package has no pg_basebackup): for tests of what a
 * failover loses.
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
  const line = `host=127.0.0.1 port=${replicationPort} user=${username} password=${decodeURIComponent(password)}`;
  await appendFile(
    join(data, 'postgresql.auto.conf'),
    `primary_conninfo = '${line}'\nwal_retrieve_retry_interval = 200\n`,
  );
  for (const path of runAs ? [home, data, ...['standby.signal', 'backup_label'].map((file) => join(data, file))] : [])
    if (runAs) await chown(path, runAs.uid, runAs.gid);
  const supervisor = await Supervisor.open(join(home, 'run'), 'shared');
  const env = { ...config.env, LD_LIBRARY_PATH: binaries.lib, LC_ALL: 'C', TZ: 'UTC' };
  const { port } = await startCluster(supervisor, {
    binaries,
    runAs,
    data,
    password: decodeURIComponent(password),
    env,
  });
  const url = new URL(primaryUrl);
  url.port = String(port);
  return {
    port,
    promote: () => withClient(url.href, async (client) => void (await client.query('SELECT pg_promote()'))),
    stop: () => supervisor.finish(),
  };
}

/** The data directory as it may be copied while the server runs, with the label that makes the copy whole. */
async function copyOf(primaryUrl: string, data: string): Promise<void> {
  await withClient(primaryUrl, async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    await client.query(`SELECT pg_backup_start('standby', true)`);
    await execute('cp', ['-a', rows[0]?.data_directory ?? '', data]);
    const stopped = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await writeFile(join(data, 'backup_label'), stopped.rows[0]?.labelfile ?? '');
  });
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
