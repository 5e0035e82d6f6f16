import { partitionCount, topics, topicSettings, uuidv7 } from '@entente/contracts';
import type { LedgerHead } from '@entente/contracts';
import { createKafka, partitionOf, type InRecord, type Kafka } from '@entente/kafka';
import { createLogger, createMetrics, systemClock, type Logger } from '@entente/observability';
import { createClient, createPool, inTransaction, type Client, type Pool } from '@entente/postgres';
import { createHash } from 'node:crypto';
import { appendOutbox, lanes, type Lane, type OutboxRow } from '../append.ts';
import { outboxMigrationSql, republishMigrationSql, watermarkMigrationSql } from '../migrations.ts';
import { notifyOutbox } from '../notify.ts';
import type { LedgerPort, PublishedChange } from '../relay/ports.ts';
import { Relay, type RelayOptions } from '../relay/relay.ts';

const schema = 'consent';
const log = createLogger({ service: 'outbox-test', level: 'error' });
/** Where a test provokes what an operator must see. */
const quiet = createLogger({ service: 'outbox-test', level: 'silent' });

/** A subjectKey of its own for each number. */
export const keyOf = (n: number): string =>
  `k1.${createHash('sha256').update(String(n)).digest().subarray(0, 16).toString('base64url')}`;

/** A ledger in one table: every change gets the next number; enough of the consent service for the relay's ports. */
const ledgerSql = [
  `CREATE TABLE consent.subject (subject_key text PRIMARY KEY, version bigint NOT NULL)`,
  `CREATE TABLE consent.ledger (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject_key text, version bigint, change_id uuid)`,
  `CREATE TABLE consent.incarnation (value int NOT NULL)`,
  `INSERT INTO consent.incarnation VALUES (0)`,
];

const hashOf = (number: number): string =>
  number === 0 ? '0'.repeat(64) : createHash('sha256').update(`ledger ${number}`).digest('hex');

export const testLedger: LedgerPort & { republished: { shard: number; since: number }[] } = {
  republished: [],
  facts: async (client) => {
    const { rows } = await client.query<{ number: number; incarnation: number }>(
      `SELECT coalesce((SELECT max(number) FROM ledger), 0)::bigint AS number, (SELECT value FROM incarnation) AS incarnation`,
    );
    const number = rows[0]?.number ?? 0;
    return { catalogue: 1, ledger: { number, hash: hashOf(number) }, incarnation: rows[0]?.incarnation ?? 0 };
  },
  holdsHead: async (client, head: LedgerHead) => {
    const { rows } = await client.query<{ holds: boolean }>(
      `SELECT coalesce((SELECT max(number) FROM ledger), 0) >= $1 AS holds`,
      [head.number],
    );
    return rows[0]?.holds === true && head.hash === hashOf(head.number);
  },
  holdsChanges: async (client, published: readonly PublishedChange[]) => {
    const { rows } = await client.query<{ missing: number }>(
      `SELECT count(*)::int AS missing FROM unnest($1::uuid[]) AS p(id)
        WHERE NOT EXISTS (SELECT FROM ledger AS l WHERE l.change_id = p.id)`,
      [published.map(({ changeId }) => changeId)],
    );
    return rows[0]?.missing === 0;
  },
  republish: (_client, shard, since) => {
    testLedger.republished.push({ shard, since });
    return Promise.resolve();
  },
};

export interface TestOutbox {
  readonly url: string;
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly quiet: Logger;
  connect(): Promise<Client>;
  relay(options?: Partial<RelayOptions>): Relay;
  /** Raises the subject's version and appends both rows of a deny, as the consent service does (REC-1, REC-6). */
  withdraw(subject: number): Promise<{ key: string; version: number; committedAt: string }>;
  close(): Promise<void>;
}

export const topicSpecs = topicSettings.map(({ name, partitions, retentionMs }) => ({
  name,
  partitions,
  replicationFactor: 1,
  config: { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': String(retentionMs) },
}));

export async function testOutbox(url: string, bootstrap: readonly string[]): Promise<TestOutbox> {
  const kafka = createKafka({ clientId: 'outbox-test', brokers: bootstrap, log });
  await kafka.admin().ensureTopics(topicSpecs);
  const pool = createPool({ url, schema, name: 'test', max: 8 });
  await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  for (const sql of [
    ...outboxMigrationSql(schema),
    ...watermarkMigrationSql(schema),
    ...republishMigrationSql(schema),
    ...ledgerSql,
  ])
    await pool.query(sql);
  const connect = () => connected(url);
  return {
    url,
    pool,
    kafka,
    quiet,
    connect,
    relay: (options = {}) =>
      new Relay({
        ...{ service: 'consent', connectDedicated: connect, pool, kafka, clock: systemClock, log },
        ...{ metrics: createMetrics(), watermarks: testLedger },
        ...options,
      }),
    withdraw: (subject) => withdraw(pool, subject),
    close: async () => {
      await kafka.close();
      await pool.end();
    },
  };
}

async function connected(url: string): Promise<Client> {
  const client = createClient({ url, schema, name: 'relay' });
  await client.connect();
  return client;
}

/** A relay on a database that `testOutbox` has prepared. */
export function testRelay(url: string, bootstrap: readonly string[]): Relay {
  const kafka = createKafka({ clientId: 'outbox-test-relay', brokers: bootstrap, log });
  const pool = createPool({ url, schema, name: 'test', max: 2 });
  return new Relay({
    ...{ service: 'consent', connectDedicated: () => connected(url), pool, kafka, clock: systemClock, log },
    ...{ metrics: createMetrics(), watermarks: testLedger },
  });
}

async function withdraw(pool: Pool, subject: number): Promise<{ key: string; version: number; committedAt: string }> {
  const key = keyOf(subject);
  const done = await inTransaction(pool, async (tx) => {
    const { rows } = await tx.query<{ version: number }>(
      `INSERT INTO subject AS s VALUES ($1, 1) ON CONFLICT (subject_key) DO UPDATE SET version = s.version + 1 RETURNING version`,
      [key],
    );
    const version = rows[0]?.version ?? 0;
    const eventId = uuidv7(systemClock.now());
    await tx.query('INSERT INTO ledger (subject_key, version, change_id) VALUES ($1, $2, $3)', [key, version, eventId]);
    const committedAt = await appendOutbox(tx, denyRows(key, version, eventId));
    return { key, version, committedAt };
  });
  notifyOutbox(pool, log, lanes);
  return done;
}

/** Both lanes of one deny (REC-6). */
function denyRows(key: string, version: number, eventId: string): OutboxRow[] {
  const row = (lane: Lane, topic: string): OutboxRow => ({
    ...{ eventId, topic, key, lane, shard: partitionOf(key, partitionCount), type: 'org.entente.consent.changed.v1' },
    payload: {
      ...{ controller: 'acme', subjectKey: key, version, catalogue: 1, direction: 'deny', recipients: [], sealed: {} },
      vector: { marketing: { decision: 'withdrawn', since: '2026-01-01T00:00:00Z' } },
      changes: [{ purpose: 'marketing', from: 'granted', to: 'withdrawn', cause: 'person' }],
    },
  });
  return [row('urgent', topics.revocations), row('normal', topics.changes)];
}

/** Everything kept of a topic, by partition, in offset order. */
export async function readTopic(kafka: Kafka, topic: string): Promise<Map<number, InRecord[]>> {
  const admin = kafka.admin();
  const offsets = await admin.offsets(topic);
  await admin.close();
  const read = new Map<number, InRecord[]>();
  for (const [partition, { low, high }] of offsets)
    read.set(partition, await kafka.readRange(topic, partition, low, high));
  return read;
}

/** Records whose version was first seen after a newer one of the same subject: none, where order holds (repeats are no breach). */
export function firstSeenInOrder(records: readonly InRecord[]): string[] {
  const newest = new Map<string, number>();
  const seen = new Set<string>();
  const breaches: string[] = [];
  for (const { key, value } of records) {
    const subject = String(key);
    const { version } = JSON.parse(String(value)) as { version: number };
    const place = `${subject}/${version}`;
    if (!seen.has(place) && version < (newest.get(subject) ?? 0)) breaches.push(place);
    seen.add(place);
    newest.set(subject, Math.max(version, newest.get(subject) ?? 0));
  }
  return breaches;
}
