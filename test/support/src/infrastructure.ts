import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Broker, Infrastructure, InfrastructureOptions } from '@entente/local';
import { inherited, testServers } from './config.ts';

/** PostgreSQL cuts longer names (NAMEDATALEN 64); room is left for the random end. */
const longestName = 40;

export interface TestDatabase {
  url: string;
  /** Removes it, ending whatever is still connected. */
  drop(): Promise<void>;
}

/** A new, empty database on the running server; one per test file keeps files apart. */
export async function testDatabase(name: string): Promise<TestDatabase> {
  const { databaseUrl } = testServers();
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, longestName);
  const database = `t_${readable}_${randomBytes(4).toString('hex')}`;
  await execute(databaseUrl, `create database ${database}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${database}`;
  return { url: url.href, drop: () => execute(databaseUrl, `drop database if exists ${database} with (force)`) };
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** `host:port` of the running brokers. */
export const kafkaBootstrap = (): string[] => testServers().bootstrap;

/** What these tests run on, in one line. */
export const infrastructureDescription = (): string => testServers().description;

/** A Postgres and a Kafka for this test alone, to be broken at will; the caller stops them. */
export async function ownInfrastructure(options: InfrastructureOptions = {}): Promise<Infrastructure> {
  const { startInfrastructure } = await import('@entente/local');
  const env: NodeJS.ProcessEnv = { ...inherited(), ...options.env };
  if (options.env?.DATABASE_URL === undefined) delete env.DATABASE_URL;
  if (options.env?.KAFKA_BOOTSTRAP === undefined) delete env.KAFKA_BOOTSTRAP;
  return startInfrastructure({ ...options, env });
}

export interface OwnBroker {
  broker: Broker;
  bootstrap: string[];
  stop(): Promise<void>;
}

/** One broker for this test alone, to be killed and started again; Postgres stays the shared one. */
export async function ownBroker(options: Pick<InfrastructureOptions, 'login'> = {}): Promise<OwnBroker> {
  const { databaseUrl } = testServers();
  const infrastructure = await ownInfrastructure({ ...options, env: { DATABASE_URL: databaseUrl } });
  const [broker] = infrastructure.kafka.brokers;
  if (!broker) throw new Error('a cluster without a broker was started');
  return { broker, bootstrap: infrastructure.bootstrap, stop: infrastructure.stop };
}
