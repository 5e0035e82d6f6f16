import { execFile } from 'node:child_process';
import { promisify, stripVTControlCharacters } from 'node:util';
import type { EntenteClient } from '../client/entente-client.ts';
import { migrationsPending } from '../stack/migrations.ts';
import { attempt, type Check } from './check.ts';
import type { ServersGiven } from './config.ts';
import { system } from './doctor-system.ts';
import type { KafkaConnection } from '@entente/config';
import { createKafka } from '@entente/kafka';
import { topicSettings } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import { createPool, serverVersion } from '@entente/postgres';

const run = promisify(execFile);

/** What the system needs and whether it is there. Never throws for a fault it is asked to find. */
export async function runChecks(options: {
  servers: ServersGiven;
  services: Readonly<Record<string, string>>;
  /** Asked about itself; absent where nothing runs. */
  client?: EntenteClient;
  log: Logger;
}): Promise<Check[]> {
  const groups = await Promise.all([
    machine(),
    options.servers.databaseUrl ? postgres(options.servers.databaseUrl) : [],
    options.servers.kafka ? kafka(options.servers.kafka, options.log) : [],
    services(options.services),
    options.client ? system(options.client) : [],
  ]);
  return groups.flat();
}

async function machine(): Promise<Check[]> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return Promise.all([
    attempt('machine', 'Node 24.9 or newer', 'npm ci installs it on Linux; elsewhere install Node 24 LTS', () =>
      Promise.resolve({ ok: major > 24 || (major === 24 && minor >= 9), detail: process.versions.node }),
    ),
    attempt(
      'machine',
      'Java 17 or newer',
      'install openjdk-17-jre-headless, or set KAFKA_BOOTSTRAP, or run Docker',
      async () => {
        const { stderr } = await run('java', ['-version']);
        const version = Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
        return { ok: version >= 17, detail: String(version) };
      },
    ),
    attempt('machine', 'Maven', 'install maven, or set KAFKA_BOOTSTRAP, or run Docker', async () => {
      const { stdout } = await run('mvn', ['--batch-mode', '-v']);
      return { ok: true, detail: stripVTControlCharacters(stdout.split('\n')[0]!) };
    }),
  ]);
}

async function postgres(url: string): Promise<Check[]> {
  const pool = createPool({ url, schema: 'public', name: 'entente-doctor', max: 1 });
  try {
    return await Promise.all([
      attempt('postgres', 'answers and is 17 or newer', 'transaction_timeout needs PostgreSQL 17', async () => {
        const version = await serverVersion(pool);
        return { ok: version >= 170_000, detail: String(version) };
      }),
      attempt('postgres', 'schemas are up to date', 'run `entente migrate`', async () => {
        const pending = await migrationsPending(url);
        return { ok: pending.length === 0, detail: pending.length === 0 ? 'none pending' : pending.join(', ') };
      }),
      attempt(
        'postgres',
        'a server that may be promoted acknowledges every commit (RST-3)',
        'set synchronous_standby_names on the primary',
        async () => {
          const { rows } = await pool.query<{ standbys: number; names: string }>(
            `SELECT (SELECT count(*)::int FROM pg_stat_replication) AS standbys, current_setting('synchronous_standby_names') AS names`,
          );
          const { standbys = 0, names = '' } = rows[0] ?? {};
          return { ok: standbys === 0 || names !== '', detail: standbys === 0 ? 'no standby' : names };
        },
      ),
    ]);
  } finally {
    await pool.end();
  }
}

async function kafka(given: KafkaConnection, log: Logger): Promise<Check[]> {
  const connection = createKafka({ clientId: 'entente-doctor', ...given, log });
  const admin = connection.admin();
  try {
    const reachable = await attempt(
      'kafka',
      'answers',
      'is the broker up, its advertised address reachable from here, and are KAFKA_TLS and KAFKA_SASL_… as it wants them?',
      async () => {
        const { brokers } = await admin.describeCluster();
        return { ok: brokers.length > 0, detail: `${brokers.length} broker${brokers.length === 1 ? '' : 's'}` };
      },
    );
    if (!reachable.ok) return [reachable];
    const topics = await Promise.all(
      topicSettings.map(({ name, partitions }) =>
        attempt('kafka', `topic ${name}`, 'run `entente topics apply`', async () => {
          const found = (await admin.offsets(name)).size;
          return { ok: found === partitions, detail: `${found} partitions` };
        }),
      ),
    );
    return [reachable, ...topics];
  } finally {
    await admin.close();
    await connection.close();
  }
}

const services = (urls: Readonly<Record<string, string>>): Promise<Check[]> =>
  Promise.all(
    Object.entries(urls).map(([name, url]) =>
      attempt('services', name, `see its log, and ${url}/health/ready`, async () => {
        const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(3_000) });
        await response.arrayBuffer();
        return { ok: response.ok, detail: `HTTP ${response.status}` };
      }),
    ),
  );
