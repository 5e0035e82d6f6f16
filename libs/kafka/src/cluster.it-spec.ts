import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { ownInfrastructure, waitFor } from '@entente/test-support';
import { Kafka as KafkaJS, logLevel } from 'kafkajs';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createKafka, tpKey, type Kafka } from './index.ts';

/** A machine of two cores that builds and tests other things too. */
jest.setTimeout(60_000);

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const partitions = [0, 1, 2, 3, 4, 5];
/** The cluster's own time to notice and to move leaders (broker.session.timeout.ms, election), with a loaded machine's share. */
const failoverMs = 20_000;
let infrastructure: Awaited<ReturnType<typeof ownInfrastructure>>;
let kafka: Kafka;

beforeAll(async () => {
  const { DATABASE_URL = '' } = process.env;
  infrastructure = await ownInfrastructure({ brokers: 3, env: { DATABASE_URL } });
  kafka = createKafka({ clientId: 'cluster', brokers: infrastructure.bootstrap, log });
}, 120_000);

afterAll(async () => {
  await kafka.close();
  await infrastructure.stop();
}, 60_000);

test('kill -9 of one broker of three: what is acknowledged stays, in order, and every partition goes on', async () => {
  const topic = `cluster.${randomUUID()}`;
  await kafka
    .admin()
    .ensureTopics([{ name: topic, partitions: 6, replicationFactor: 3, config: { 'min.insync.replicas': '2' } }]);
  const positions = new Map<string, bigint>();
  const received = new Map<number, number[]>(partitions.map((p) => [p, []]));
  const source = kafka.source();
  await source.start({
    groupId: `cluster-${randomUUID()}`,
    topics: [topic],
    positions: async () => positions,
    onRecords: async (tp, records) => {
      for (const r of records) {
        received.get(tp.partition)?.push(Number(String(r.value)));
        positions.set(tpKey(tp), r.offset + 1n);
      }
    },
  });
  // One publisher per partition, as the relay probes a partition that failed (REL-3).
  let on = true;
  const acknowledged = partitions.map(() => -1);
  const publishing = partitions.map(async (partition) => {
    const publisher = kafka.publisher();
    while (on) {
      const value = (acknowledged[partition] ?? -1) + 1;
      const [result] = await publisher.publish([{ topic, partition, key: null, value: Buffer.from(String(value)) }]);
      if (result?.ok === true) acknowledged[partition] = value;
      await pause(20);
    }
    await publisher.close();
  });
  await waitFor(() => acknowledged.every((a) => a > 20), { what: 'traffic on every partition' });
  const [victim] = infrastructure.kafka.brokers;
  await victim?.kill('SIGKILL');
  const atKill = [...acknowledged];
  const goesOn = () => acknowledged.every((a, p) => a > (atKill[p] ?? 0) + 20);
  await waitFor(goesOn, { what: 'every partition after the loss', timeoutMs: failoverMs });
  await victim?.start();
  const atReturn = [...acknowledged];
  await waitFor(() => acknowledged.every((a, p) => a > (atReturn[p] ?? 0) + 20), {
    what: 'traffic after the return',
    timeoutMs: failoverMs,
  });
  on = false;
  await Promise.all(publishing);
  await waitFor(() => partitions.every((p) => received.get(p)?.includes(acknowledged[p] ?? -1) === true), {
    what: 'the last acknowledged values',
    timeoutMs: failoverMs,
  });
  for (const p of partitions) {
    const last = acknowledged[p] ?? -1;
    const firsts = [...new Set(received.get(p))].filter((v) => v <= last);
    expect(firsts).toEqual(Array.from({ length: last + 1 }, (_, i) => i));
  }
  await source.stop(2000);
}, 120_000);

/** Moves the only replica of a topic's only partition to another broker, and resolves when that one leads. */
async function moveLeader(topic: string): Promise<void> {
  const admin = new KafkaJS({ brokers: [...infrastructure.bootstrap], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const leader = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions[0]?.leader;
  try {
    const before = await leader();
    const { brokers } = await admin.describeCluster();
    const to = brokers.map(({ nodeId }) => nodeId).find((id) => id !== before) ?? 0;
    await admin.alterPartitionReassignments({
      topics: [{ topic, partitionAssignment: [{ partition: 0, replicas: [to] }] }],
    });
    await waitFor(async () => (await leader()) === to, { what: 'the new leader' });
  } finally {
    await admin.disconnect();
  }
}

test('a leader that moves while positions are asked is found again: nothing is read before they are known', async () => {
  const topic = `cluster.${randomUUID()}`;
  await kafka.admin().ensureTopics([{ name: topic, partitions: 1, replicationFactor: 1, config: {} }]);
  const publisher = kafka.publisher();
  const record = { topic, partition: 0, key: null, value: Buffer.from('stays') };
  expect(await publisher.publish([record])).toMatchObject([{ ok: true }]);
  const received: string[] = [];
  let moved: Promise<void> | undefined;
  const source = kafka.source();
  await source.start({
    groupId: `cluster-${randomUUID()}`,
    topics: [topic],
    positions: async () => {
      await (moved ??= moveLeader(topic));
      return new Map();
    },
    onRecords: (_, records) => {
      received.push(...records.map(({ value }) => String(value)));
      return Promise.resolve();
    },
  });
  await waitFor(() => received.length > 0, { what: 'the record', timeoutMs: failoverMs });
  expect(received).toEqual(['stays']);
  await source.stop(2000);
  await publisher.close();
}, 60_000);
