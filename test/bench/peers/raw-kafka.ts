import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { partitionCount } from '@entente/contracts';
import kafkajs from 'kafkajs';
import { Latencies, type Summary } from '../latencies.ts';
import { openLoop } from '../open-loop.ts';

const topic = 'bench.raw';
const longestWaitMs = 30_000;
/** As many bytes as a withdrawal's record has. */
const value = Buffer.alloc(900, 'x');

/** The client as libs/kafka uses it, without what libs/kafka adds. */
export const bareKafka = (bootstrap: readonly string[]): kafkajs.Kafka =>
  new kafkajs.Kafka({ clientId: 'bench', brokers: [...bootstrap], logLevel: kafkajs.logLevel.NOTHING });

export async function createTopic(kafka: kafkajs.Kafka, name: string, partitions = partitionCount): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic: name, numPartitions: partitions, replicationFactor: 1 }],
    waitForLeaders: false,
  });
  // kafkajs' own wait ends the process when the broker does not know the topic yet.
  const until = performance.now() + longestWaitMs;
  for (let ready = false; !ready;) {
    ready = await admin.fetchTopicOffsets(name).then(
      (held) => held.length === partitions,
      () => false,
    );
    if (!ready && performance.now() > until) throw new Error(`${name} has no leaders`);
    if (!ready) await pause(50);
  }
  await admin.disconnect();
}

/** CLOCK_MONOTONIC, which all processes of a host share, as nanoseconds at an instant of `performance.now()`. */
export const hostNanoseconds = (now: number): bigint =>
  process.hrtime.bigint() + BigInt(Math.round((now - performance.now()) * 1e6));

/** Processes that consume a topic and note when each record reached them: the limit that the client library sets. */
export class RawConsumers {
  readonly #children: ChildProcess[];
  readonly #arrived = new Map<string, bigint[]>();

  private constructor(children: ChildProcess[]) {
    this.#children = children;
    for (const child of children)
      child.on('message', (seen) => {
        if (!Array.isArray(seen)) return;
        for (const [key, at] of seen as [string, string][]) this.#arrived.get(key)?.push(BigInt(at));
      });
  }

  static async start(bootstrap: readonly string[], topicName: string, count: number): Promise<RawConsumers> {
    const children = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const args = [bootstrap.join(','), topicName, `${topicName}-${index}`];
        const child = fork(join(import.meta.dirname, 'raw-consumer.ts'), args);
        await once(child, 'message');
        return child;
      }),
    );
    return new RawConsumers(children);
  }

  /** Records with this key are waited for. */
  expect(key: string): void {
    this.#arrived.set(key, []);
  }

  /** From the instant given for each key, in host nanoseconds, to the last consumer's handler. */
  async latencies(begunAt: ReadonlyMap<string, bigint>): Promise<Summary> {
    const until = performance.now() + longestWaitMs;
    const complete = () => [...this.#arrived.values()].every((times) => times.length >= this.#children.length);
    while (!complete()) {
      if (performance.now() > until) throw new Error('raw records did not arrive');
      await pause(20);
    }
    const latencies = new Latencies();
    for (const [key, times] of this.#arrived) {
      const last = times.reduce((a, b) => (a > b ? a : b));
      latencies.add(Math.max(0, Number(last - begunAt.get(key)!) / 1e6));
    }
    this.#arrived.clear();
    return latencies.summary();
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.disconnect();
    await Promise.all(this.#children.map(async (child) => (child.exitCode === null ? once(child, 'exit') : undefined)));
  }
}

/** Produce → every one of several consuming processes, with the acks, idempotence and fetch settings that libs/kafka uses. */
export class RawKafka {
  readonly #producer: kafkajs.Producer;
  readonly #consumers: RawConsumers;

  private constructor(producer: kafkajs.Producer, consumers: RawConsumers) {
    this.#producer = producer;
    this.#consumers = consumers;
  }

  static async start(bootstrap: readonly string[], consumers: number): Promise<RawKafka> {
    const kafka = bareKafka(bootstrap);
    await createTopic(kafka, topic);
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const raw = new RawKafka(producer, await RawConsumers.start(bootstrap, topic, consumers));
    // Every consumer has joined once it has seen a record.
    await raw.round(20, 2);
    return raw;
  }

  /** From the intended start of the produce call to the last consumer's handler. */
  async round(perSecond: number, seconds: number): Promise<Summary> {
    const begunAt = new Map<string, bigint>();
    await openLoop({
      perSecond,
      seconds,
      start: async (index, intended) => {
        const key = `${seconds}-${index}-${intended}`;
        begunAt.set(key, hostNanoseconds(intended));
        this.#consumers.expect(key);
        await this.#producer.send({ topic, acks: -1, messages: [{ key, value, partition: index % partitionCount }] });
      },
    });
    return this.#consumers.latencies(begunAt);
  }

  async stop(): Promise<void> {
    await this.#consumers.stop();
    await this.#producer.disconnect();
  }
}
