import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { kafkaBootstrap, ownInfrastructure } from '@entente/test-support';
import type { DatabaseServer, Infrastructure } from './index.ts';
import { startStandby, type Standby } from './standby.ts';

let own: Infrastructure;
let server: DatabaseServer;
let directory: string;
let standby: Standby | undefined;

beforeAll(async () => {
  own = await ownInfrastructure({ env: { KAFKA_BOOTSTRAP: kafkaBootstrap().join(',') } });
  if (own.postgres.server === undefined) throw new Error('this test needs a PostgreSQL of this machine');
  server = own.postgres.server;
  directory = await mkdtemp(join(tmpdir(), 'entente-standby-'));
  await chmod(directory, 0o755);
  await ask(own.databaseUrl, 'create table word (said text)');
}, 120_000);

afterAll(async () => {
  await standby?.stop();
  await own?.stop();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

async function ask(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 3_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    // A server that was killed is not there to say goodbye to; the answer, or its lack, is what counts.
    await client.end().catch(() => undefined);
  }
}

test.each(['SIGKILL', 'SIGINT'] as const)(
  'a server ended by %s comes back at the same port with what was committed',
  async (signal) => {
    await ask(own.databaseUrl, `insert into word values ('${signal}')`);
    await server.kill(signal);
    expect(server.pid).toBeUndefined();
    await expect(ask(own.databaseUrl, 'select 1')).rejects.toThrow();
    await server.start();
    expect(await ask(own.databaseUrl, `select said from word where said = '${signal}'`)).toEqual([{ said: signal }]);
  },
  60_000,
);

test('RST-3 a standby that acknowledges has whatever was answered, and the old primary answers nothing after it', async () => {
  standby = await startStandby({
    ...{ primaryUrl: own.databaseUrl, replicationPort: server.port, home: join(directory, 'standby') },
  });
  await standby.acknowledge();
  await ask(own.databaseUrl, `insert into word values ('kept')`);
  await standby.promote();
  expect(await ask(standby.url, `select said from word where said = 'kept'`)).toEqual([{ said: 'kept' }]);
  await ask(standby.url, `insert into word values ('after')`);
  // It waits for whom it has to wait for, whatever its `statement_timeout` is.
  await expect(ask(own.databaseUrl, `insert into word values ('never')`)).rejects.toThrow('timeout');
  expect(await ask(standby.url, `select said from word where said = 'never'`)).toEqual([]);
}, 120_000);
