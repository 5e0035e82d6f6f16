import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { partitionCount } from '@entente/contracts';
import kafkajs from 'kafkajs';
import { Latencies, type Summary } from './latencies.ts';
import { openLoop } from './open-loop.ts';

const topic = 'bench.raw';
const longestWaitMs = 30_000;
/** As many bytes as a withdrawal's record has. */
const value = Buffer.alloc(900, 'x');

/** Produce → every one of several consuming processes, with the acks, idempotence and fetch settings that libs/kafka uses. */
export class RawKafka {
  readonly #producer: kafkajs.Producer;
  readonly #consumers: ChildProcess[];
  readonly #arrived = new Map<string, bigint[]>();

  private constructor(producer: kafkajs.Producer, consumers: ChildProcess[]) {
    this.#producer = producer;
    this.#consumers = consumers;
    for (const consumer of consumers)
      consumer.on('message', (seen) => {
        if (!Array.isArray(seen)) return;
        for (const [key, at] of seen as [string, string][]) this.#arrived.get(key)?.push(BigInt(at));
      });
  }

  static async start(bootstrap: readonly string[], consumers: number): Promise<RawKafka> {
    const kafka = new kafkajs.Kafka({ clientId: 'bench', brokers: [...bootstrap], logLevel: kafkajs.logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitionCount, replicationFactor: 1 }],
      waitForLeaders: true,
    });
    await admin.disconnect();
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const children = await Promise.all(
      Array.from({ length: consumers }, async (_, index) => {
        const child = fork(join(import.meta.dirname, 'raw-consumer.ts'), [
          bootstrap.join(','),
          topic,
          `bench-raw-${index}`,
        ]);
        await once(child, 'message');
        return child;
      }),
    );
    const raw = new RawKafka(producer, children);
    // Every consumer has joined once it has seen a record.
    await raw.round(20, 2);
    return raw;
  }

  /** From the intended start of the produce call to the last consumer's handler. */
  async round(perSecond: number, seconds: number): Promise<Summary> {
    const intendedAt = new Map<string, bigint>();
    const offset = process.hrtime.bigint() - BigInt(Math.round(performance.now() * 1e6));
    await openLoop({
      perSecond,
      seconds,
      start: async (index, intended) => {
        const key = `${seconds}-${index}-${intended}`;
        intendedAt.set(key, offset + BigInt(Math.round(intended * 1e6)));
        this.#arrived.set(key, []);
        await this.#producer.send({ topic, acks: -1, messages: [{ key, value, partition: index % partitionCount }] });
      },
    });
    const until = performance.now() + longestWaitMs;
    const complete = () => [...this.#arrived.values()].every((times) => times.length >= this.#consumers.length);
    while (!complete()) {
      if (performance.now() > until) throw new Error('raw records did not arrive');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const latencies = new Latencies();
    for (const [key, times] of this.#arrived) {
      const last = times.reduce((a, b) => (a > b ? a : b));
      latencies.add(Number(last - intendedAt.get(key)!) / 1e6);
    }
    this.#arrived.clear();
    return latencies.summary();
  }

  async stop(): Promise<void> {
    for (const consumer of this.#consumers) consumer.disconnect();
    await this.#producer.disconnect();
    await Promise.all(
      this.#consumers.map(async (child) => (child.exitCode === null ? once(child, 'exit') : undefined)),
    );
  }
}
