import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { kafkaBootstrap, waitFor } from '@entente/test-support';
import { randomUUID } from 'node:crypto';
import { createKafka, KafkaFault, tpKey, type InRecord, type Kafka, type SourceStart } from './index.ts';

/** A machine of two cores that builds and tests other things too. */
jest.setTimeout(60_000);

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const groupId = () => `contract-${randomUUID()}`;
let kafka: Kafka;
let admin: ReturnType<Kafka['admin']>;
const topics: string[] = [];

async function newTopic(partitions = 3, config: Record<string, string> = {}): Promise<string> {
  const name = `contract.${randomUUID()}`;
  await admin.ensureTopics([{ name, partitions, replicationFactor: 1, config }]);
  topics.push(name);
  return name;
}

async function put(topic: string, partition: number, ...values: (string | number)[]): Promise<void> {
  const publisher = kafka.publisher();
  const records = values.map((v) => ({ topic, partition, key: Buffer.from('k'), value: Buffer.from(String(v)) }));
  // A publish gives connecting a second, which a busy machine can need; nothing was sent then.
  const results = await waitFor(
    async () => {
      const [result] = await publisher.publish(records);
      return !result?.ok && result?.error.message.startsWith('connect publisher') ? undefined : [result];
    },
    { what: 'a connected publisher' },
  );
  expect(results).toEqual([expect.objectContaining({ ok: true, count: values.length })]);
  await publisher.close();
}

/** A source that keeps what it was handed, by partition. */
function collecting(start: Omit<SourceStart, 'groupId' | 'onRecords'> & Partial<SourceStart>) {
  const seen = new Map<number, string[]>();
  const source = kafka.source();
  const onRecords = async ({ partition }: { partition: number }, records: InRecord[]) => {
    seen.set(partition, [...(seen.get(partition) ?? []), ...records.map((r) => String(r.value))]);
  };
  const started = source.start({ groupId: groupId(), onRecords, ...start });
  const values = (partition = 0) => seen.get(partition) ?? [];
  return { source, started, values };
}

beforeAll(() => {
  kafka = createKafka({ clientId: 'contract', brokers: kafkaBootstrap(), log });
  admin = kafka.admin();
});

afterAll(async () => {
  await admin.deleteTopics(topics);
  await kafka.close();
});

test('topics are made with their settings, found again, and differences named', async () => {
  const topic = await newTopic(2, { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '3600000' });
  const spec = {
    name: topic,
    partitions: 2,
    replicationFactor: 1,
    config: { 'message.timestamp.type': 'LogAppendTime' },
  };
  expect(await admin.ensureTopics([spec])).toEqual({ created: [], existing: [topic], differing: [] });
  const other = { ...spec, partitions: 12, config: { 'retention.ms': '1' } };
  expect((await admin.ensureTopics([other])).differing).toEqual([
    { topic, setting: 'partitions', want: '12', have: '2' },
    { topic, setting: 'retention.ms', want: '1', have: '3600000' },
  ]);
  expect(await admin.healthy()).toBe(true);
  expect((await admin.describeCluster()).brokers.length).toBeGreaterThan(0);
});

test('a publish answers for every partition with its base offset, count and append time', async () => {
  const topic = await newTopic(3, { 'message.timestamp.type': 'LogAppendTime' });
  const publisher = kafka.publisher();
  const record = (partition: number) => ({ topic, partition, key: null, value: null });
  await publisher.publish([record(1)]);
  const results = await publisher.publish([record(0), record(1), record(1), record(2)]);
  expect(results).toEqual([
    { topic, partition: 0, ok: true, baseOffset: 0n, count: 1, appendedAt: expect.any(Number) },
    { topic, partition: 1, ok: true, baseOffset: 1n, count: 2, appendedAt: expect.any(Number) },
    { topic, partition: 2, ok: true, baseOffset: 0n, count: 1, appendedAt: expect.any(Number) },
  ]);
  expect(await publisher.publish([])).toEqual([]);
  expect(await admin.offsets(topic)).toEqual(
    new Map([
      [0, { low: 0n, high: 1n }],
      [1, { low: 0n, high: 3n }],
      [2, { low: 0n, high: 1n }],
    ]),
  );
});

test('what one partition refuses does not fail the others', async () => {
  const topic = await newTopic(2, { 'max.message.bytes': '2000' });
  const publisher = kafka.publisher();
  const first = [{ topic, partition: 1, key: null, value: Buffer.from('first') }];
  await waitFor(async () => (await publisher.publish(first))[0]?.ok, { what: 'a connection' });
  const results = await publisher.publish([
    { topic, partition: 0, key: null, value: Buffer.alloc(10_000) },
    { topic, partition: 1, key: null, value: Buffer.from('small') },
  ]);
  expect(results).toMatchObject([
    { partition: 0, ok: false, error: { code: 'rejected', message: expect.stringContaining('MESSAGE_TOO_LARGE') } },
    { partition: 1, ok: true, baseOffset: 1n },
  ]);
  expect(await publisher.publish([{ topic, partition: 0, key: null, value: null }])).toMatchObject([{ ok: true }]);
});

test('an unknown topic and an unknown partition are said precisely', async () => {
  const topic = await newTopic(1);
  const publisher = kafka.publisher();
  const missing = `no.such.${randomUUID()}`;
  const [result] = await publisher.publish([{ topic: missing, partition: 0, key: null, value: null }]);
  expect(result).toMatchObject({
    ok: false,
    error: { code: 'unknown-topic', message: expect.stringContaining(missing) },
  });
  expect(await publisher.publish([{ topic, partition: 7, key: null, value: null }])).toMatchObject([
    { partition: 7, ok: false },
  ]);
  const source = kafka.source();
  const fatal: Error[] = [];
  source.onFatal((error) => fatal.push(error));
  await expect(
    source.start({ groupId: groupId(), topics: [missing], onRecords: () => Promise.resolve() }),
  ).rejects.toMatchObject({
    code: 'unknown-topic',
    message: expect.stringContaining(missing),
  });
  expect(fatal).toHaveLength(1);
  await source.stop(1000);
  await expect(kafka.readRange(missing, 0, 0n, 1n)).rejects.toBeInstanceOf(KafkaFault);
  await expect(admin.offsets(missing)).rejects.toMatchObject({ code: 'unknown-topic' });
});

test('key, value, headers, timestamp and offset arrive as sent', async () => {
  const topic = await newTopic(1, { 'message.timestamp.type': 'LogAppendTime' });
  const publisher = kafka.publisher();
  const headers = { ce_type: 'a', bytes: Buffer.from('münze') };
  const [result] = await publisher.publish([
    { topic, partition: 0, key: Buffer.from('k'), value: Buffer.from([0, 255]), headers },
    { topic, partition: 0, key: null, value: null },
  ]);
  const appendedAt = result?.ok === true ? result.appendedAt : undefined;
  const expected = [
    {
      topic,
      partition: 0,
      offset: 0n,
      timestamp: appendedAt,
      key: Buffer.from('k'),
      value: Buffer.from([0, 255]),
      headers: { ce_type: 'a', bytes: 'münze' },
    },
    { topic, partition: 0, offset: 1n, timestamp: appendedAt, key: null, value: null, headers: {} },
  ];
  const received: InRecord[] = [];
  const { source, started } = collecting({
    topics: [topic],
    onRecords: async (_, records) => void received.push(...records),
  });
  await started;
  await waitFor(() => received.length === 2, { what: 'both records' });
  expect(received).toEqual(expected);
  expect(await kafka.readRange(topic, 0, 0n, 2n)).toEqual(expected);
  expect(await kafka.readRange(topic, 0, 1n, 2n)).toEqual(expected.slice(1));
  expect(await kafka.readRange(topic, 0, 1n, 1n)).toEqual([]);
  await source.stop(2000);
});

test('each partition is handed out in order, one call at a time', async () => {
  const topic = await newTopic(3);
  const publisher = kafka.publisher();
  const running = new Set<number>();
  const seen = new Map<number, number[]>([0, 1, 2].map((p) => [p, []]));
  const { source, started } = collecting({
    topics: [topic],
    onRecords: async ({ partition }, records) => {
      expect(running.has(partition)).toBe(false);
      running.add(partition);
      await new Promise((resolve) => setTimeout(resolve, 3));
      seen.get(partition)?.push(...records.map((r) => Number(String(r.value))));
      running.delete(partition);
    },
  });
  await started;
  const rounds = 150;
  for (let i = 0; i < rounds; i += 1)
    await publisher.publish(
      [0, 1, 2].map((partition) => ({ topic, partition, key: null, value: Buffer.from(String(i)) })),
    );
  await waitFor(() => [...seen.values()].every((v) => v.length >= rounds), { what: 'all records' });
  for (const values of seen.values()) expect(values).toEqual(Array.from({ length: rounds }, (_, i) => i));
  await source.stop(2000);
});

test('a failing handler gets the same records again, loses none, and holds up no other partition', async () => {
  const topic = await newTopic(2);
  const seen: string[] = [];
  let failing = true;
  let tries = 0;
  const { source, started, values } = collecting({ topics: [topic] });
  const second = collecting({
    topics: [topic],
    onRecords: async ({ partition }, records) => {
      if (partition === 0 && failing) {
        tries += 1;
        throw new Error('store away');
      }
      seen.push(...records.map((r) => `${partition}:${String(r.value)}`));
    },
  });
  await Promise.all([started, second.started]);
  await put(topic, 0, 'a', 'b');
  await put(topic, 0, 'c');
  await waitFor(() => tries >= 2, { what: 'a second try' });
  const before = performance.now();
  await put(topic, 1, 'x');
  await waitFor(() => seen.includes('1:x'), { what: 'the other partition', everyMs: 2 });
  expect(performance.now() - before).toBeLessThan(1000);
  expect(second.source.state().partitions.find((p) => p.partition === 0)?.failures).toBeGreaterThan(0);
  failing = false;
  await waitFor(() => seen.length === 4, { what: 'the repeated records' });
  expect(seen.filter((s) => s.startsWith('0:'))).toEqual(['0:a', '0:b', '0:c']);
  await waitFor(() => values().length === 3, { what: 'the healthy source' });
  await Promise.all([source.stop(2000), second.source.stop(2000)]);
});

test('a handler slower than the session timeout is not evicted', async () => {
  const topic = await newTopic(1);
  const source = kafka.source({ sessionTimeoutMs: 6000, heartbeatIntervalMs: 500 });
  const calls: bigint[] = [];
  await source.start({
    groupId: groupId(),
    topics: [topic],
    onRecords: async (_, records) => {
      calls.push(...records.map((r) => r.offset));
      await new Promise((resolve) => setTimeout(resolve, 7000));
    },
  });
  await put(topic, 0, 'slow');
  await waitFor(() => source.state().partitions[0]?.position === 1n, { what: 'the slow call', timeoutMs: 15_000 });
  expect(calls).toEqual([0n]);
  expect(source.state()).toMatchObject({ rebalances: 0, epoch: 1, running: true });
  await source.stop(2000);
}, 25_000);

test('reading resumes at the given positions after restart, not at the group’s commit', async () => {
  const topic = await newTopic(2);
  await put(topic, 0, 0, 1, 2, 3, 4);
  const group = groupId();
  const first = collecting({ topics: [topic], groupId: group, commitAfterRecords: true });
  await first.started;
  await waitFor(() => first.values().length === 5, { what: 'everything' });
  await first.source.stop(2000);
  expect((await admin.groupLag(group, [topic])).get(tpKey({ topic, partition: 0 }))).toEqual({
    committed: 5n,
    lag: 0n,
  });
  const second = collecting({
    topics: [topic],
    groupId: group,
    positions: async () => new Map([[tpKey({ topic, partition: 0 }), 2n]]),
  });
  await second.started;
  await waitFor(() => second.values().length === 3, { what: 'the rest' });
  expect(second.values()).toEqual(['2', '3', '4']);
  await second.source.stop(2000);
  const third = collecting({ topics: [topic], groupId: group });
  await third.started;
  await put(topic, 0, 5);
  await waitFor(() => third.values().length > 0, { what: 'the next' });
  expect(third.values()).toEqual(['5']);
  await third.source.stop(2000);
});

test('positions are asked at every join, after the running calls have ended, and until they are answered', async () => {
  const topic = await newTopic(4);
  const group = groupId();
  const positions = new Map<string, bigint>();
  const seen: string[] = [];
  let storeAway = true;
  let running = 0;
  const asked: number[] = [];
  const start: SourceStart = {
    groupId: group,
    topics: [topic],
    positions: async (_, epoch) => {
      if (storeAway) {
        storeAway = false;
        throw new Error('store away');
      }
      expect(running).toBe(0);
      asked.push(epoch);
      return positions;
    },
    onRecords: async (tp, records) => {
      running += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const r of records) {
        seen.push(`${tp.partition}:${r.offset}`);
        positions.set(tpKey(tp), r.offset + 1n);
      }
      running -= 1;
    },
  };
  const one = kafka.source();
  await one.start(start);
  for (let p = 0; p < 4; p += 1) await put(topic, p, 'a', 'b');
  await waitFor(() => seen.length === 8, { what: 'the first records' });
  const two = kafka.source();
  await two.start(start);
  await waitFor(() => one.state().assigned.length === 2 && one.state().running, { what: 'the rebalance' });
  for (let p = 0; p < 4; p += 1) await put(topic, p, 'c');
  await waitFor(() => seen.length >= 12, { what: 'the later records' });
  expect(new Set(seen).size).toBe(seen.length);
  expect(asked.length).toBeGreaterThanOrEqual(3);
  await two.stop(2000);
  await waitFor(() => one.state().assigned.length === 4 && one.state().running, { what: 'the partitions back' });
  for (let p = 0; p < 4; p += 1) await put(topic, p, 'd');
  await waitFor(() => seen.length >= 16, { what: 'the last records' });
  expect([...seen].sort()).toEqual([0, 1, 2, 3].flatMap((p) => [0, 1, 2, 3].map((o) => `${p}:${o}`)));
  await one.stop(2000);
});

test('GATE-3: a position outside the log is told before reading goes on, and the answer decides where', async () => {
  const topic = await newTopic(2);
  await put(topic, 0, 0, 1, 2);
  await put(topic, 1, 0, 1, 2);
  const told: unknown[] = [];
  const { source, started, values } = collecting({
    topics: [topic],
    positions: async () => new Map([0, 1].map((partition) => [tpKey({ topic, partition }), 50n])),
    onOutOfRange: (tp, wanted, range) => {
      told.push([tp.partition, wanted, range]);
      return tp.partition === 1 ? 2n : undefined;
    },
  });
  await started;
  expect(told).toEqual([0, 1].map((p) => [p, 50n, { low: 0n, high: 3n }]));
  await waitFor(() => values(0).length === 3 && values(1).length === 1, { what: 'both partitions' });
  expect([values(0), values(1)]).toEqual([['0', '1', '2'], ['2']]);
  await source.stop(2000);
});

test('reposition reads on from newly given positions in a new epoch, without a rebalance', async () => {
  const topic = await newTopic(1);
  await put(topic, 0, 0, 1, 2);
  let position = 0n;
  const epochs: number[] = [];
  const { source, started, values } = collecting({
    topics: [topic],
    positions: async () => new Map([[tpKey({ topic, partition: 0 }), position]]),
    onAssigned: (_, epoch) => epochs.push(epoch),
  });
  await started;
  await waitFor(() => values().length === 3, { what: 'the first pass' });
  position = 1n;
  await source.reposition();
  await waitFor(() => values().length === 5, { what: 'the second pass' });
  expect(values()).toEqual(['0', '1', '2', '1', '2']);
  expect(epochs).toEqual([1, 2]);
  expect(source.state()).toMatchObject({ rebalances: 0, epoch: 2 });
  await source.stop(2000);
});

test('no commit past an unfinished record, none for an epoch that is over', async () => {
  const topic = await newTopic(1);
  const group = groupId();
  const key = tpKey({ topic, partition: 0 });
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const { source, started } = collecting({
    topics: [topic],
    groupId: group,
    commitAfterRecords: true,
    onRecords: async (_, records) => {
      if (records.some((r) => r.offset >= 1n)) await held;
    },
  });
  await started;
  await put(topic, 0, 'a');
  const committed = async () => (await admin.groupLag(group, [topic])).get(key)?.committed;
  await waitFor(async () => (await committed()) === 1n, { what: 'the first commit' });
  await put(topic, 0, 'b', 'c');
  await waitFor(() => source.state().partitions[0]?.highWatermark === 3n, { what: 'the unfinished records' });
  const { epoch } = source.state();
  await expect(source.commit(epoch, new Map([[key, 4n]]))).rejects.toMatchObject({ code: 'commit-past-handed-out' });
  await source.commit(epoch - 1, new Map([[key, 3n]]));
  expect(await committed()).toBe(1n);
  release();
  await waitFor(async () => (await committed()) === 3n, { what: 'the second commit' });
  await source.stop(2000);
});

test('pause holds one partition, resume delivers within 50 ms', async () => {
  const topic = await newTopic(2);
  const { source, started, values } = collecting({ topics: [topic] });
  await started;
  source.pause({ topic, partition: 0 });
  await put(topic, 0, 'held');
  await put(topic, 1, 'free');
  await waitFor(() => values(1).length === 1, { what: 'the free partition' });
  await waitFor(() => source.state().partitions.find((p) => p.partition === 0)?.buffered === 1, {
    what: 'the read-ahead',
  });
  expect(values(0)).toEqual([]);
  const before = performance.now();
  source.resume({ topic, partition: 0 });
  await waitFor(() => values(0).length === 1, { what: 'the held record', everyMs: 1 });
  expect(performance.now() - before).toBeLessThan(50);
  await source.stop(2000);
});

test('a full read-ahead stops fetching and goes on when there is room, in order', async () => {
  const topic = await newTopic(1);
  const source = kafka.source({ maxBufferedRecords: 10, maxBytesPerPartition: 2000 });
  const seen: number[] = [];
  let open = false;
  await source.start({
    groupId: groupId(),
    topics: [topic],
    onRecords: async (_, records) => {
      if (!open) throw new Error('not yet');
      seen.push(...records.map((r) => Number(String(r.value))));
    },
  });
  const all = Array.from({ length: 500 }, (_, i) => i);
  for (let i = 0; i < 500; i += 20) await put(topic, 0, ...all.slice(i, i + 20));
  await waitFor(() => (source.state().partitions[0]?.buffered ?? 0) >= 10, { what: 'a full read-ahead' });
  expect(source.state().partitions[0]?.buffered).toBeLessThan(200);
  open = true;
  await waitFor(() => seen.length >= 500, { what: 'all of them' });
  expect(seen).toEqual(all);
  await source.stop(2000);
});

test('stop waits for a running call within its budget and leaves the group at once', async () => {
  const topic = await newTopic(1);
  const group = groupId();
  let finished = 0;
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    finished += 1;
  };
  const endless = () => new Promise<void>(() => {});
  const one = collecting({ topics: [topic], groupId: group, commitAfterRecords: true, onRecords: slow });
  await one.started;
  await put(topic, 0, 'a');
  await waitFor(() => one.source.state().partitions[0]?.highWatermark === 1n, { what: 'the running call' });
  await one.source.stop(3000);
  expect(finished).toBe(1);
  expect((await admin.groupLag(group, [topic])).get(tpKey({ topic, partition: 0 }))?.committed).toBe(1n);

  const two = collecting({ topics: [topic], groupId: group, onRecords: endless });
  const before = performance.now();
  await two.started;
  expect(performance.now() - before).toBeLessThan(2000);
  await put(topic, 0, 'b');
  await waitFor(() => two.source.state().partitions[0]?.highWatermark === 2n, { what: 'the endless call' });
  const stopping = performance.now();
  await two.source.stop(1000);
  expect(performance.now() - stopping).toBeLessThan(1300);
});
