import { setTimeout as pause } from 'node:timers/promises';
import type { Infrastructure } from '@entente/local';
import { outboxMigrationSql } from '@entente/outbox';
import { createPool, type Pool } from '@entente/postgres';
import type kafkajs from 'kafkajs';
import { bareKafka, createTopic, hostNanoseconds, RawConsumers } from '../raw-kafka.ts';
import { openLoop } from '../../open-loop.ts';
import type { Summary } from '../../latencies.ts';
import { highOffsets } from '../topic-growth.ts';
import { Connect } from './connect.ts';

const database = 'debezium_peer';
const schema = 'consent';
const readyMs = 60_000;
/** Longer than Debezium's longest sleep. */
const probeMs = 600;
export const debeziumTopic = 'bench.debezium';

/** How long Debezium's task sleeps when it found nothing: 500 ms as shipped. */
export type PollMs = 500 | 5;

/** Debezium's outbox event router on our outbox tables, in a database of its own beside the consent service's. */
export class Debezium {
  readonly #connect: Connect;
  readonly #admin: kafkajs.Admin;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #consumers: RawConsumers | undefined;
  readonly pool: Pool;

  private constructor(
    connect: Connect,
    parts: {
      readonly admin: kafkajs.Admin;
      readonly settings: Readonly<Record<string, string>>;
      readonly consumers: RawConsumers | undefined;
      readonly pool: Pool;
    },
  ) {
    this.#connect = connect;
    this.#admin = parts.admin;
    this.#settings = parts.settings;
    this.#consumers = parts.consumers;
    this.pool = parts.pool;
  }

  /** @returns undefined where Postgres was given and does not write its log for others to decode */
  static async start(
    { databaseUrl, bootstrap }: Pick<Infrastructure, 'databaseUrl' | 'bootstrap'>,
    { consumers, say }: { readonly consumers: number; readonly say: (line: string) => void },
  ): Promise<Debezium | undefined> {
    if (!(await decodable(databaseUrl))) return undefined;
    const url = new URL(databaseUrl);
    url.pathname = `/${database}`;
    await prepare(databaseUrl, url.href);
    const kafka = bareKafka(bootstrap);
    await createTopic(kafka, debeziumTopic);
    const admin = kafka.admin();
    await admin.connect();
    const peer = new Debezium(await Connect.start(bootstrap, say), {
      ...{ admin, settings: connectorSettings(url) },
      consumers: consumers === 0 ? undefined : await RawConsumers.start(bootstrap, debeziumTopic, consumers),
      pool: createPool({ url: url.href, schema, name: 'bench-debezium', max: 8 }),
    });
    await peer.begin(5);
    await peer.halt();
    return peer;
  }

  /** Resolves once it publishes what is committed now; what was committed before its first start it never sees. */
  async begin(pollMs: PollMs): Promise<void> {
    await this.resume(pollMs);
    const before = await highOffsets(this.#admin, debeziumTopic);
    const until = performance.now() + readyMs;
    for (let seen = 0; seen === 0;) {
      if (performance.now() > until) throw new Error(`Debezium published nothing:\n${await this.#connect.said()}`);
      await this.write(`ready-${before}`, 0);
      await pause(probeMs);
      seen = (await highOffsets(this.#admin, debeziumTopic)) - before;
    }
    await this.#quiet();
  }

  /** Resolves once nothing that was committed before is on its way. */
  async #quiet(): Promise<void> {
    for (let last = -1, now = 0; now !== last;) {
      last = now;
      await pause(probeMs);
      now = await highOffsets(this.#admin, debeziumTopic);
    }
  }

  /** Begins without waiting for anything. */
  async resume(pollMs: PollMs): Promise<void> {
    await this.#connect.run({ ...this.#settings, 'poll.interval.ms': String(pollMs) });
  }

  halt(): Promise<void> {
    return this.#connect.halt();
  }

  /** One event in a transaction of its own. */
  async write(key: string, shard: number): Promise<void> {
    await this.pool.query({ name: 'bench-write', text: writeSql, values: [debeziumTopic, key, shard] });
  }

  /** From the commit's answer to the last consumer's handler. */
  async round(perSecond: number, seconds: number, partitions: number): Promise<Summary> {
    const consumers = this.#consumers;
    if (consumers === undefined) throw new Error('nobody consumes');
    const begunAt = new Map<string, bigint>();
    const { failed, firstFailure } = await openLoop({
      perSecond,
      seconds,
      start: async (index, intended) => {
        const key = `${index}-${intended}`;
        consumers.expect(key);
        await this.write(key, index % partitions);
        begunAt.set(key, hostNanoseconds(performance.now()));
      },
    });
    if (failed > 0) throw new Error(`${failed} events were not committed`, { cause: firstFailure });
    return consumers.latencies(begunAt);
  }

  async stop(): Promise<void> {
    await this.#consumers?.stop();
    await this.#connect.stop();
    await Promise.all([this.#admin.disconnect(), this.pool.end()]);
  }
}

/** A withdrawal's record, about 900 bytes. */
const writeSql = `
  INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
  VALUES (gen_random_uuid(), $1, $2, 'org.entente.consent.changed.v1', jsonb_build_object('padding', repeat('x', 880)), 0, $3)`;

async function decodable(databaseUrl: string): Promise<boolean> {
  const pool = createPool({ url: databaseUrl, schema: 'public', name: 'bench', max: 1 });
  try {
    const { rows } = await pool.query<{ wal_level: string }>('SHOW wal_level');
    return rows[0]?.wal_level === 'logical';
  } finally {
    await pool.end();
  }
}

async function prepare(databaseUrl: string, own: string): Promise<void> {
  const server = createPool({ url: databaseUrl, schema: 'public', name: 'bench', max: 1 });
  await server.query(`CREATE DATABASE ${database}`);
  await server.end();
  const pool = createPool({ url: own, schema: 'public', name: 'bench', max: 1 });
  for (const sql of [`CREATE SCHEMA ${schema}`, ...outboxMigrationSql(schema)]) await pool.query(sql);
  await pool.end();
}

/**
 * ADR 5: the same columns, so the router is told only where the id stands. It cannot take our `shard` for the partition (it
 * wants an int32), and need not: the producer's own partitioner hashes the key as we do.
 */
const connectorSettings = (url: URL): Readonly<Record<string, string>> => ({
  'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
  'database.hostname': url.hostname,
  'database.port': url.port,
  'database.user': decodeURIComponent(url.username),
  'database.password': decodeURIComponent(url.password),
  'database.dbname': database,
  'topic.prefix': 'bench',
  'plugin.name': 'pgoutput',
  'publication.autocreate.mode': 'filtered',
  'slot.name': 'bench',
  'snapshot.mode': 'no_data',
  'table.include.list': `${schema}.outbox_urgent,${schema}.outbox_normal`,
  'tombstones.on.delete': 'false',
  'skipped.operations': 'u,d,t',
  transforms: 'outbox',
  'transforms.outbox.type': 'io.debezium.transforms.outbox.EventRouter',
  'transforms.outbox.table.field.event.id': 'event_id',
  'transforms.outbox.route.topic.replacement': '${routedByValue}',
  'transforms.outbox.table.fields.additional.placement': 'type:header:ce_type',
});
