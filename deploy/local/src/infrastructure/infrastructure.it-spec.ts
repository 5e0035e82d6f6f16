import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { ownInfrastructure, testDatabase, kafkaBootstrap, waitFor } from '@entente/test-support';
import type { Infrastructure } from './index.ts';
import { describeBrokers } from './kafka-metadata.ts';
import { processesNaming } from './testing/processes.ts';
import { consume, createTopic, produce } from './testing/round-trip.ts';

async function ask<Row extends pg.QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

describe('what is chosen when nothing is given', () => {
  let own: Infrastructure;
  const [broker, topic] = [() => own.kafka.brokers[0] as Infrastructure['kafka']['brokers'][0], 'round-trip'];

  beforeAll(async () => {
    own = await ownInfrastructure();
    await createTopic(own.bootstrap, topic);
  });
  afterAll(() => own.stop());

  test('says in one line what it is and why', () => {
    expect(own.description).toMatch(/^PostgreSQL .+, Apache Kafka .+: no DATABASE_URL or KAFKA_BOOTSTRAP given, .+$/);
  });

  test('PostgreSQL is 17 or newer, durable, tracks commit times and lets us make databases', async () => {
    const [settings] = await ask(
      own.databaseUrl,
      `select current_setting('server_version_num')::int >= 170000 "new", current_setting('fsync') fsync,
         current_setting('track_commit_timestamp') tracked, current_setting('wal_level') wal, current_setting('max_connections')::int connections`,
    );
    expect(settings).toEqual({ new: true, fsync: 'on', tracked: 'on', wal: 'replica', connections: 300 });
    await ask(own.databaseUrl, 'create database another');
  });

  test('PostgreSQL refuses whoever does not know the password', async () => {
    const url = new URL(own.databaseUrl);
    url.password = 'guessed';
    await expect(ask(url.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  test('a record goes in and comes out', async () => {
    await produce(own.bootstrap, topic, ['one', 'two']);
    expect(await consume(own.bootstrap, topic, 2)).toEqual(['one', 'two']);
  });

  test('a topic that nobody created is not made by writing to it', async () => {
    await expect(produce(own.bootstrap, 'never-created', ['lost'])).rejects.toThrow();
  });

  test('a broker killed with SIGKILL comes back with the same address and its records', async () => {
    await produce(own.bootstrap, topic, ['before the crash']);
    await broker().kill('SIGKILL');
    await expect(describeBrokers(broker().host, broker().port)).rejects.toThrow();
    await broker().start();
    await produce(own.bootstrap, topic, ['after it']);
    const values = await consume(own.bootstrap, topic, 4);
    expect(values).toEqual(['one', 'two', 'before the crash', 'after it']);
  });

  test('a native broker takes its classes from the archive that was made once', async () => {
    const { pid } = broker();
    // In Docker Kafka brings an archive of its own.
    if (pid !== undefined) expect(await readFile(`/proc/${pid}/maps`, 'utf8')).toContain('/broker.jsa');
  });

  test('a stopped broker answers nobody until it is continued', async () => {
    await broker().kill('SIGSTOP');
    const silent = async (): Promise<boolean> =>
      describeBrokers(broker().host, broker().port, 500).then(
        () => false,
        (error: Error) => error.message.includes('gave no answer'),
      );
    // The signal travels through the supervisor: a first question may still be answered.
    await waitFor(silent, { what: 'the stopped broker to be silent' });
    await broker().kill('SIGCONT');
    await waitFor(() => describeBrokers(broker().host, broker().port), { what: 'the continued broker' });
  });
});

describe('three brokers', () => {
  test('miss one that is killed, and take it back', async () => {
    const own = await ownInfrastructure({ brokers: 3 });
    try {
      expect(own.bootstrap).toHaveLength(3);
      await createTopic(own.bootstrap, 'of-three', 3);
      await produce(own.bootstrap, 'of-three', ['all']);
      const [victim, ...others] = own.kafka.brokers;
      await victim?.kill('SIGKILL');
      const members = async (): Promise<number> => (await describeBrokers('127.0.0.1', others[0]?.port ?? 0)).length;
      await waitFor(async () => (await members()) === 2, {
        what: 'the cluster to miss the killed broker',
        timeoutMs: 40_000,
      });
      await victim?.start();
      await waitFor(async () => (await members()) === 3, {
        what: 'the killed broker to be back in the cluster',
        timeoutMs: 40_000,
      });
      expect(await consume(own.bootstrap, 'of-three', 1)).toEqual(['all']);
    } finally {
      await own.stop();
    }
  }, 180_000);
});

describe('beside each other and afterwards', () => {
  let temporary: string;
  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'entente-spec-'));
  });
  afterAll(() => rm(temporary, { recursive: true, force: true }));

  test('two at once on one machine do not meet, and leave neither process nor directory', async () => {
    const { ENTENTE_CACHE_DIR = join(tmpdir(), `entente-cache-${process.getuid?.()}`) } = process.env;
    await chmod(temporary, 0o755);
    const env = { TMPDIR: temporary, ENTENTE_CACHE_DIR };
    const [one, other] = await Promise.all([ownInfrastructure({ env }), ownInfrastructure({ env })]);
    expect(one.databaseUrl).not.toBe(other.databaseUrl);
    expect(one.bootstrap).not.toEqual(other.bootstrap);
    await createTopic(one.bootstrap, 'mine');
    await createTopic(other.bootstrap, 'mine');
    await one.stop();
    expect(await ask(other.databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
    await other.stop();
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesNaming(temporary)).toEqual([]);
  });

  test('with a data directory, a later start finds what an earlier one wrote', async () => {
    const dataDir = join(await mkdtemp(join(tmpdir(), 'entente-spec-data-')), 'data');
    await chmod(join(dataDir, '..'), 0o755);
    try {
      const first = await ownInfrastructure({ dataDir });
      await createTopic(first.bootstrap, 'kept');
      await produce(first.bootstrap, 'kept', ['a record']);
      await ask(first.databaseUrl, 'create table kept as select 7 as n');
      await first.stop();
      const second = await ownInfrastructure({ dataDir });
      try {
        expect(await ask(second.databaseUrl, 'select n from kept')).toEqual([{ n: 7 }]);
        expect(await consume(second.bootstrap, 'kept', 1)).toEqual(['a record']);
      } finally {
        await second.stop();
      }
    } finally {
      await rm(join(dataDir, '..'), { recursive: true, force: true });
    }
  });
});

describe('given servers', () => {
  test('are used, left running by stop, and not ours to kill', async () => {
    const database = await testDatabase('given');
    const env = { DATABASE_URL: database.url, KAFKA_BOOTSTRAP: kafkaBootstrap().join(',') };
    const given = await ownInfrastructure({ env });
    expect(given.databaseUrl).toBe(database.url);
    expect(given.bootstrap).toEqual(kafkaBootstrap());
    expect(given.description).toMatch(
      /^PostgreSQL \S+ given by DATABASE_URL, Apache Kafka given by KAFKA_BOOTSTRAP, \d+ brokers?$/,
    );
    await expect(given.kafka.brokers[0]?.kill('SIGKILL')).rejects.toThrow('is not ours to kill');
    await given.stop();
    await given.stop();
    expect(await ask(database.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await database.drop();
  });

  test('that do not answer are named in one line that says what to do', async () => {
    const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/x', KAFKA_BOOTSTRAP: kafkaBootstrap().join(',') };
    await expect(ownInfrastructure({ env })).rejects.toMatchObject({
      name: 'InfrastructureError',
      message: expect.stringMatching(/^DATABASE_URL does not answer \(.*ECONNREFUSED.*\): correct it, or unset it$/),
    });
  });
});
