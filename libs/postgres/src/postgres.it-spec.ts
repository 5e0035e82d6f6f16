import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { ManualClock, createLogger } from '@entente/observability';
import { testDatabase, waitFor } from '@entente/test-support';
import type { TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDataSource } from './data-source.ts';
import {
  CommitUnknown,
  UnsafeBigint,
  copyRows,
  createClient,
  createPool,
  transactionOn,
  databaseClock,
  databaseIdentity,
  inKeyOrder,
  inTransaction,
  migrate,
  pendingMigrations,
  serverVersion,
} from './index.ts';
import type { MigrationInterface, Pool, PoolClient, QueryRunner } from './index.ts';

const schema = 'consent';
const log = createLogger({ service: 'postgres-spec', level: 'silent' });

class First1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE first (id bigint PRIMARY KEY, parent bigint)');
    await runner.query(
      'ALTER TABLE first ADD FOREIGN KEY (parent) REFERENCES first (id) DEFERRABLE INITIALLY DEFERRED',
    );
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE first');
  }
}
class Second1700000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE second (id bigint PRIMARY KEY)');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE second');
  }
}
class Broken1700000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE third (id bigint PRIMARY KEY)');
    await runner.query('SELECT 1 / 0');
  }
  async down(): Promise<void> {}
}
const migrations = [First1700000000001, Second1700000000002];

let database: TestDatabase;
let pool: Pool;
const idleErrors: string[] = [];

beforeAll(async () => {
  database = await testDatabase('postgres-lib');
  pool = createPool({
    url: database.url,
    schema,
    name: 'postgres-spec',
    max: 4,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 200,
    transactionTimeoutMs: 10_000,
    idleInTransactionTimeoutMs: 4_000,
    onIdleError: ({ message }) => idleErrors.push(message),
  });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function only<T extends object>(sql: string, from: Pool = pool): Promise<T> {
  const { rows } = await from.query<T>(sql);
  const [row] = rows;
  if (row === undefined) throw new Error('no row');
  return row;
}

describe('migrations', () => {
  test('everything is pending in an empty database', async () => {
    expect(await pendingMigrations(pool, { schema, migrations })).toEqual(migrations.map(({ name }) => name));
  });

  test('two at once: one runs them, the other finds nothing to do', async () => {
    const both = await Promise.all([1, 2].map(() => migrate({ url: database.url, schema, migrations, log })));
    expect(both.flat().sort()).toEqual(migrations.map(({ name }) => name));
    expect(await pendingMigrations(pool, { schema, migrations })).toEqual([]);
    const { rows } = await pool.query<{ name: string }>(`SELECT name FROM consent.migrations ORDER BY 1`);
    expect(rows.map(({ name }) => name)).toEqual(migrations.map(({ name }) => name));
  });

  test('a migration that fails leaves nothing of itself and frees the lock', async () => {
    const broken = { url: database.url, schema, migrations: [...migrations, Broken1700000000003], log };
    await expect(migrate(broken)).rejects.toThrow('division by zero');
    expect(await pendingMigrations(pool, broken)).toEqual(['Broken1700000000003']);
    expect(await only(`SELECT to_regclass('consent.third') IS NULL AS gone`)).toEqual({ gone: true });
    expect(await migrate({ url: database.url, schema, migrations, log })).toEqual([]);
  });

  test('the data source changes nothing by itself and works in the schema', async () => {
    const source = createDataSource({ url: database.url, schema, entities: [], migrations });
    await source.initialize();
    expect(await source.query('SELECT current_schema() AS schema')).toEqual([{ schema }]);
    await source.destroy();
  });
});

describe('sessions', () => {
  test('settings are in force from the first statement', async () => {
    const show = async (name: string) =>
      (await only<{ value: string }>(`SELECT current_setting('${name}') AS value`)).value;
    expect(await show('search_path')).toBe(schema);
    expect(await show('application_name')).toBe('postgres-spec');
    expect(await show('statement_timeout')).toBe('5s');
    expect(await show('lock_timeout')).toBe('200ms');
    expect(await show('transaction_timeout')).toBe('10s');
    expect(await show('idle_in_transaction_session_timeout')).toBe('4s');
    expect(await show('TimeZone')).toBe('UTC');
  });

  test('bigint comes as a number, or not at all', async () => {
    expect(await only('SELECT 1099511627777::bigint AS version, now() AS at')).toEqual({
      version: 2 ** 40 + 1,
      at: expect.any(Date),
    });
    await expect(pool.query('SELECT 9007199254740993::bigint')).rejects.toThrow(UnsafeBigint);
    expect(await only('SELECT 1 AS fine')).toEqual({ fine: 1 });
  });

  test('a dedicated client has its own settings; the server frees it when it is silent (REL-2)', async () => {
    const lost: string[] = [];
    const settings = {
      idle_session_timeout: 200,
      statement_timeout: 1_000,
      tcp_user_timeout: 3_000,
      synchronous_commit: 'on',
    } as const;
    const client = createClient({
      url: database.url,
      schema,
      name: 'relay',
      settings,
      onIdleError: ({ message }) => lost.push(message),
    });
    await client.connect();
    const { rows } = await client.query(`SELECT current_setting('idle_session_timeout') AS idle, pg_advisory_lock(7)`);
    expect(rows[0]).toMatchObject({ idle: '200ms' });
    await waitFor(async () => (await only<{ free: boolean }>('SELECT pg_try_advisory_lock(7) AS free')).free, {
      what: 'the lock is free',
    });
    await waitFor(() => lost.length > 0, { what: 'the client hears of its end' });
    await expect(client.query('SELECT 1')).rejects.toThrow();
  });

  test('an idle pooled connection that the server ends does not end the process', async () => {
    await pool.query('SELECT 1');
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postgres-spec' AND pid <> pg_backend_pid()`,
    );
    const client = await pool.connect();
    const pid = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
    client.release();
    const other = createPool({ url: database.url, schema, name: 'other', max: 1 });
    await other.query('SELECT pg_terminate_backend($1)', [pid]);
    await other.end();
    await waitFor(() => idleErrors.length > 0 && pool.idleCount === 0, { what: 'the pool hears of it' });
    expect(await only('SELECT 1 AS fine')).toEqual({ fine: 1 });
  });
});

describe('a new connection', () => {
  const poolThat = (onConnect: (client: PoolClient) => Promise<void>): Pool =>
    createPool({ url: database.url, schema, name: 'new', max: 1, onConnect });

  test('is lent only after it was asked, once, and a transaction of its own is committed by then', async () => {
    const asked: unknown[] = [];
    const lent = poolThat(async (client) => {
      asked.push((await transactionOn(client, (tx) => tx.query('SELECT pg_backend_pid() AS pid'))).rows[0]);
    });
    try {
      const pid = async (): Promise<unknown> => (await lent.query('SELECT pg_backend_pid() AS pid')).rows[0];
      expect([await pid(), await pid()]).toEqual([asked[0], asked[0]]);
      expect(asked).toHaveLength(1);
    } finally {
      await lent.end();
    }
  });

  test('is closed where that fails; whoever waits hears why, and the next one is asked anew', async () => {
    let tries = 0;
    const lent = poolThat(() => {
      tries += 1;
      return tries === 1 ? Promise.reject(new Error('another database')) : Promise.resolve();
    });
    try {
      await expect(lent.query('SELECT 1')).rejects.toThrow('another database');
      expect((await lent.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    } finally {
      await lent.end();
    }
  });
});

describe('inTransaction', () => {
  test('commits what work did and gives its value', async () => {
    const value = await inTransaction(pool, async (tx) => {
      await tx.query('INSERT INTO first (id) VALUES (1)');
      return 'done';
    });
    expect(value).toBe('done');
    expect(await only('SELECT count(*) AS n FROM first WHERE id = 1')).toEqual({ n: 1 });
  });

  test('rolls back when work throws, and throws the same', async () => {
    const failure = new Error('no');
    const attempt = inTransaction(pool, async (tx) => {
      await tx.query('INSERT INTO first (id) VALUES (2)');
      throw failure;
    });
    await expect(attempt).rejects.toBe(failure);
    expect(await only('SELECT count(*) AS n FROM first WHERE id = 2')).toEqual({ n: 0 });
  });

  test('a lock timeout is the database’s own error, and the connection is used again', async () => {
    await inTransaction(pool, async (holder) => {
      await holder.query('SELECT * FROM first WHERE id = 1 FOR UPDATE');
      const waiting = inTransaction(pool, (tx) => tx.query('SELECT * FROM first WHERE id = 1 FOR UPDATE'));
      await expect(waiting).rejects.toMatchObject({ code: '55P03' });
    });
    expect(pool.totalCount).toBeGreaterThan(0);
  });

  test('a constraint judged at COMMIT is a refusal, not an unknown commit', async () => {
    const orphan = inTransaction(pool, (tx) => tx.query('INSERT INTO first (id, parent) VALUES (3, 999)'));
    await expect(orphan).rejects.toMatchObject({ code: '23503' });
    await expect(orphan).rejects.not.toBeInstanceOf(CommitUnknown);
  });

  test('RST-1: a COMMIT answered by ROLLBACK is unknown', async () => {
    const swallowed = inTransaction(pool, async (tx) => {
      await tx.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(swallowed).rejects.toThrow(CommitUnknown);
  });

  test('RST-1: a COMMIT answered with a warning is unknown, although the row is there', async () => {
    await pool.query(`
      CREATE OR REPLACE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'waiting for standby'; RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER warns AFTER INSERT ON second DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()`);
    await expect(inTransaction(pool, (tx) => tx.query('INSERT INTO second VALUES (1)'))).rejects.toThrow(CommitUnknown);
    expect(await only('SELECT count(*) AS n FROM second')).toEqual({ n: 1 });
    await pool.query('DROP TRIGGER warns ON second');
  });

  test('a notice that is no warning does not matter', async () => {
    await pool.query(`
      CREATE OR REPLACE FUNCTION mention() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'by the way'; RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER mentions AFTER INSERT ON second DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mention()`);
    await inTransaction(pool, (tx) => tx.query('INSERT INTO second VALUES (2)'));
    await pool.query('DROP TRIGGER mentions ON second');
  });

  test('RST-1: a connection that ends during COMMIT is unknown, whether or not it was committed', async () => {
    const cut = await cuttableProxy(database.url);
    const through = createPool({ url: cut.url, schema, name: 'cut', max: 1 });
    const attempt = inTransaction(through, async (tx) => {
      await tx.query('INSERT INTO first (id) VALUES (50)');
      cut.loseAnswers();
    });
    await expect(attempt).rejects.toThrow(CommitUnknown);
    await waitFor(async () => (await only<{ n: number }>('SELECT count(*) AS n FROM first WHERE id = 50')).n === 1, {
      what: 'the row is there',
    });
    await through.end();
    cut.close();
  });

  test('a connection that ends during work is that error, and the pool recovers', async () => {
    const ended = inTransaction(pool, (tx) => tx.query('SELECT pg_terminate_backend(pg_backend_pid())'));
    await expect(ended).rejects.toThrow();
    await expect(ended).rejects.not.toBeInstanceOf(CommitUnknown);
    expect(await only('SELECT 1 AS fine')).toEqual({ fine: 1 });
  });
});

describe('the database itself', () => {
  test('its clock is near ours on one machine, within the error it states', async () => {
    const { offsetMs, errorMs } = await databaseClock(pool);
    expect(Math.abs(offsetMs)).toBeLessThanOrEqual(errorMs + 1);
    expect(errorMs).toBeLessThan(500);
  });

  test('a host whose clock stands still in 2001 sees the offset', async () => {
    const { offsetMs } = await databaseClock(pool, new ManualClock(1_000_000_000_000));
    expect(offsetMs).toBeLessThan(-600_000_000_000);
  });

  test('identity and version', async () => {
    expect(await databaseIdentity(pool)).toEqual({
      systemIdentifier: expect.stringMatching(/^\d{15,20}$/),
      timeline: 1,
      inRecovery: false,
    });
    expect(await serverVersion(pool)).toBeGreaterThanOrEqual(170_000);
  });

  test('a role without the right to read the identity gets an error that says what to grant', async () => {
    await pool.query(
      `CREATE ROLE modest LOGIN PASSWORD 'modest'; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`,
    );
    const url = new URL(database.url);
    url.username = 'modest';
    url.password = 'modest';
    const modest = createPool({ url: url.href, schema, name: 'modest', max: 1 });
    await expect(databaseIdentity(modest)).rejects.toThrow(/GRANT EXECUTE ON FUNCTION pg_control_system/);
    await modest.end();
    await pool.query('GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC; DROP ROLE modest');
  });
});

test('a server that vanishes without a word is given up soon after its own limit, and what it held up goes on elsewhere', async () => {
  const proxy = await cuttableProxy(database.url);
  const lost: Error[] = [];
  const limited = createPool({
    ...{ url: proxy.url, schema, name: 'limited', max: 1, transactionTimeoutMs: 200 },
    onIdleError: (error) => lost.push(error),
  });
  await limited.query('SELECT 1');
  proxy.vanish();
  const began = performance.now();
  await expect(inTransaction(limited, (tx) => tx.query('SELECT 1'))).rejects.toThrow(/silent for 3200 ms/);
  expect(performance.now() - began).toBeLessThan(10_000);
  proxy.comeBack();
  lost.length = 0;
  expect((await limited.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await waitFor(() => limited.totalCount === 0, { what: 'the unused connection is closed' });
  expect(lost).toEqual([]);
  await limited.end();
  proxy.close();
}, 20_000);

/**
 * A TCP proxy that passes requests on but, from a moment on, drops the connection instead of passing an answer back, or says
 * nothing any more.
 */
async function cuttableProxy(url: string) {
  const target = new URL(url);
  const { port, hostname } = target;
  let losing = false;
  let vanished = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port || 5432), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      if (vanished) return;
      if (losing) client.destroy();
      else client.write(chunk);
    });
    upstream.on('close', () => void (vanished || client.destroy()));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  target.hostname = '127.0.0.1';
  target.port = String((server.address() as AddressInfo).port);
  return {
    url: target.href,
    loseAnswers: () => (losing = true),
    vanish: () => (vanished = true),
    comeBack: () => (vanished = false),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('a page is read along the index of a table that has no statistics yet, and not sorted out of all of it', async () => {
  await pool.query(
    `CREATE TABLE loaded (brand text, key text, PRIMARY KEY (brand, key)) WITH (autovacuum_enabled = off)`,
  );
  await pool.query(`INSERT INTO loaded SELECT 'acme', lpad(n::text, 22, '0') FROM generate_series(1, 20000) n`);
  const text = `EXPLAIN SELECT key FROM loaded WHERE brand = $1 AND key > $2 ORDER BY key LIMIT 500`;
  const statement = { text, values: ['acme', '0'] };
  const planned = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
  expect(planned((await pool.query<object>(statement)).rows)).toContain('Sort');
  expect(planned(await inKeyOrder<object>(pool, statement))).not.toContain('Sort');
  expect((await pool.query('SHOW enable_sort')).rows).toEqual([{ enable_sort: 'on' }]);
});

describe('copyRows', () => {
  const numbers = (to: number) =>
    `SELECT n::int, CASE WHEN n % 2 = 0 THEN n::text END FROM generate_series(1, ${to}) n`;

  test('hands over every row, in order, with its nulls', async () => {
    const seen: [number | undefined, string | null][] = [];
    await copyRows(pool, numbers(5_000), ([n, text]) => {
      seen.push([n?.readInt32BE(), text?.toString() ?? null]);
    });
    expect(seen).toEqual(Array.from({ length: 5_000 }, (_, at) => [at + 1, at % 2 === 1 ? String(at + 1) : null]));
  });

  test('what goes wrong in the server, in its reader or on the way is thrown, and leaves the pool as it was', async () => {
    await expect(copyRows(pool, 'SELECT 1 / (5 - n) FROM generate_series(1, 9) n', () => undefined)).rejects.toThrow(
      'division by zero',
    );
    const refuse = () => {
      throw new RangeError('not this row');
    };
    await expect(copyRows(pool, numbers(9), refuse)).rejects.toThrow('not this row');
    const ending = 'SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)';
    await expect(copyRows(pool, ending, () => undefined)).rejects.toThrow();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});
