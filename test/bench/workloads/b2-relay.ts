import { createHash } from 'node:crypto';
import { cloudEventHeaders, partitionCount } from '@entente/contracts';
import { createKafka } from '@entente/kafka';
import { applyTopics } from '@entente/local';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import { outboxMigrationSql, Relay, republishMigrationSql, type RelayOptions } from '@entente/outbox';
import { createClient, createPool, type Pool } from '@entente/postgres';
import type kafkajs from 'kafkajs';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { stealShare } from '../machine.ts';
import { Debezium, debeziumTopic } from '../peers/debezium/debezium.ts';
import { bareKafka, createTopic } from '../peers/raw-kafka.ts';
import { growthRate } from '../peers/topic-growth.ts';
import { compared, interleaved } from '../rounds.ts';

const schema = 'consent';
const [relayTopic, rawTopic] = ['bench.relay', 'bench.raw-drain'];
/** Rows of one round: of a brand's 10 minutes at 166 changes a second. */
const mostRows = 100_000;
const plantedAtOnce = 5_000;
/** What a bare producer is given at once. */
const rawBatch = 1_000;
const withinMs = 120_000;
/** A page as large as the bare producer’s, and no rest: what the relay could do if it had nobody beside it to care for. */
const unheld = { pageRows: 1_000, rest: 0 };
const log = createLogger({ service: 'bench', level: 'error' });

/** As many bytes as the record of a change of one of four purposes. */
const plantSql = `
  INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
  SELECT gen_random_uuid(), $1, 'k1.' || left(translate(encode(sha256(n::text::bytea), 'base64'), '+/', '-_'), 22),
         'org.entente.consent.changed.v1',
         jsonb_build_object('controller', 'acme', 'version', n, 'direction', 'grant', 'padding', repeat('x', 800)), 1, n % ${partitionCount}
    FROM generate_series($2::int, $3::int) n`;

interface Side {
  readonly perSecond: number;
  /** Microseconds of this process's processor time for each row; what other processes do is not in it. */
  readonly ownCpuUs: number;
}

/** B2: how fast a backlog of the outbox reaches Kafka. */
export const relayDrain: Benchmark = {
  id: 'B2',
  what: 'relay: a backlog of outbox rows → Kafka',
  baseline: 'a bare kafkajs producer of the same records from memory, same acks and idempotence, 1,000 records a batch',
  answers: 'It answers STC-bench’s ingestion choke point: how fast recorded policy changes can be told to anybody.',
  run: async ({ rounds, rows: asked, say }) =>
    withInfrastructure(
      say,
      async (infrastructure) => {
        const rows = Math.min(mostRows, asked);
        const { databaseUrl, bootstrap } = infrastructure;
        const pool = createPool({ url: databaseUrl, schema, name: 'bench', max: 2 });
        const migrations = [...outboxMigrationSql(schema), ...republishMigrationSql(schema)];
        for (const sql of [`CREATE SCHEMA ${schema}`, ...migrations]) await pool.query(sql);
        // What it is about to publish to, the relay compares with the ledger first (RST-4).
        await applyTopics({ kafka: { brokers: bootstrap }, log });
        const bare = bareKafka(bootstrap);
        for (const topic of [relayTopic, rawTopic]) await createTopic(bare, topic);
        const admin = bare.admin();
        await admin.connect();
        const debezium = await Debezium.start(infrastructure, { consumers: 0, say });
        try {
          const drain = { databaseUrl, bootstrap, pool, admin, rows };
          const relay = () => drainedByRelay(drain);
          const unrested = () => drainedByRelay(drain, { backlog: { besideUrgent: unheld, alone: unheld } });
          const raw = () => drainedRaw(bare, admin, rows);
          const peer = debezium && (() => drainedByDebezium(debezium, admin, rows));
          // The broker's and the client's first megabytes cost more than any later ones.
          await raw();
          const measured = await interleaved<'relay' | 'unrested' | 'raw' | 'debezium', Side>(
            { relay, unrested, raw, debezium: peer ?? (() => Promise.resolve({ perSecond: NaN, ownCpuUs: NaN })) },
            rounds,
            stealShare,
          );
          for (const round of measured) say(JSON.stringify(round));
          const rate = (side: Side) => side.perSecond;
          const figures: Figure[] = [
            {
              ...{ what: 'rows published', unit: '1/s', peer: 'bare kafkajs' },
              ...compared(measured, ['relay', 'raw'], rate),
              target: { of: 'ratio', atLeast: 0.8 },
            },
            {
              ...{ what: 'rows published, absolute', unit: '1/s' },
              ours: compared(measured, ['relay', 'raw'], rate).ours,
              target: { of: 'ours', atLeast: 20_000 },
            },
            ...(debezium
              ? [
                  {
                    ...{ what: 'rows published', unit: '1/s', peer: 'Debezium' },
                    ...compared(measured, ['relay', 'debezium'], rate),
                  },
                ]
              : []),
            {
              ...{ what: 'rows published, by a relay that never rests', unit: '1/s', peer: 'bare kafkajs' },
              ...compared(measured, ['unrested', 'raw'], rate),
            },
            {
              ...{ what: 'processor time of the publishing process', unit: 'µs/row', peer: 'bare kafkajs' },
              ...compared(measured, ['relay', 'raw'], (side) => side.ownCpuUs),
            },
          ];
          return {
            figures,
            notes: [
              'As shipped the relay rests after each page of a backlog, for twice as long as the page took and longer while there are withdrawals: it shares processor, broker and database with them, and its readers share their processes with the gates.',
              `${rows.toLocaleString('en')} rows of about 900 bytes on ${partitionCount} partitions, from the first record that the broker shows to the last. The relay reads, publishes, verifies and deletes; Debezium reads the write-ahead log and deletes nothing; the bare producer has everything in memory.`,
              debezium
                ? 'Debezium 3.6 in Kafka Connect 4.2, standalone, pgoutput, its outbox event router on the same table, default batches (2,048), poll.interval.ms 5.'
                : 'Debezium could not take part: the given Postgres has no wal_level=logical.',
            ],
          };
        } finally {
          await debezium?.stop();
          await admin.disconnect();
          await pool.end();
        }
      },
      { logicalReplication: true },
    ),
};

async function plant(pool: Pool, topic: string, rows: number): Promise<void> {
  for (let from = 1; from <= rows; from += plantedAtOnce)
    await pool.query(plantSql, [topic, from, Math.min(rows, from + plantedAtOnce - 1)]);
}

async function costed(rows: number, work: () => Promise<number>): Promise<Side> {
  const before = process.cpuUsage();
  const perSecond = await work();
  const { user, system } = process.cpuUsage(before);
  return { perSecond, ownCpuUs: (user + system) / rows };
}

interface Drain {
  readonly databaseUrl: string;
  readonly bootstrap: readonly string[];
  readonly pool: Pool;
  readonly admin: kafkajs.Admin;
  readonly rows: number;
}

async function drainedByRelay(
  { databaseUrl, bootstrap, pool, admin, rows }: Drain,
  timing: RelayOptions['timing'] = {},
): Promise<Side> {
  await plant(pool, relayTopic, rows);
  await pool.query('VACUUM ANALYZE outbox');
  const kafka = createKafka({ clientId: 'bench-relay', brokers: [...bootstrap], log });
  const connectDedicated = async () => {
    const client = createClient({ url: databaseUrl, schema, name: 'bench-relay' });
    await client.connect();
    return client;
  };
  const relay = new Relay({
    ...{ service: 'bench', connectDedicated, pool, kafka, clock: systemClock, log, metrics: createMetrics(), timing },
  });
  try {
    const begin = () => Promise.resolve(relay.start());
    return await costed(rows, () => growthRate(admin, relayTopic, { rows, withinMs, begin }));
  } finally {
    await relay.stop();
    await kafka.close();
  }
}

async function drainedByDebezium(debezium: Debezium, admin: kafkajs.Admin, rows: number): Promise<Side> {
  await plant(debezium.pool, debeziumTopic, rows);
  const begin = () => debezium.resume(5);
  const side = await costed(rows, () => growthRate(admin, debeziumTopic, { rows, withinMs, begin }));
  await debezium.halt();
  return side;
}

async function drainedRaw(kafka: kafkajs.Kafka, admin: kafkajs.Admin, rows: number): Promise<Side> {
  const records = Array.from({ length: rows }, (_, at) => recordOf(at));
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  try {
    let done: Promise<void> = Promise.resolve();
    const begin = () => {
      done = (async () => {
        for (let from = 0; from < rows; from += rawBatch)
          await producer.sendBatch({
            acks: -1,
            topicMessages: [{ topic: rawTopic, messages: records.slice(from, from + rawBatch) }],
          });
      })();
      return Promise.resolve();
    };
    const side = await costed(rows, () => growthRate(admin, rawTopic, { rows, withinMs, begin }));
    await done;
    return side;
  } finally {
    await producer.disconnect();
  }
}

const value = Buffer.alloc(900, 'x');

function recordOf(at: number): kafkajs.Message {
  const key = `k1.${createHash('sha256').update(String(at)).digest().subarray(0, 16).toString('base64url')}`;
  return {
    ...{ key, value, partition: at % partitionCount },
    headers: cloudEventHeaders({
      ...{ id: `01920000-0000-7000-8000-${String(at).padStart(12, '0')}`, source: 'urn:entente:bench', subject: key },
      ...{ type: 'org.entente.consent.changed.v1', time: '2026-11-22T09:00:00.000000Z' },
    }),
  };
}
