import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Admin,
  Consumer,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';

/** A Kafka client that shares nothing with ours: what it reads is really in the broker. */
const clientId = 'entente-infrastructure-spec';

/** A client that has said nothing for so long is given up, milliseconds: beside a broker that comes and goes, one may wait for ever. */
const patienceMs = 25_000;
const attempts = 3;

/** Tries again with a new client when one hangs; an error of the broker's is passed on at once. */
async function patiently<T>(what: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const hung = new AbortController();
    const result = await Promise.race([
      work().then((value) => ({ value })),
      pause(patienceMs, null, { signal: hung.signal, ref: false }),
    ]).finally(() => hung.abort());
    if (result !== null) return result.value;
    if (attempt === attempts) throw new Error(`${what}: ${attempts} clients hung for ${patienceMs / 1000} s each`);
  }
}

export async function createTopic(bootstrap: string[], topic: string, replicas = 1): Promise<void> {
  const admin = new Admin({ clientId, bootstrapBrokers: bootstrap });
  try {
    await admin.createTopics({ topics: [topic], partitions: 1, replicas });
  } finally {
    await admin.close();
  }
}

export const produce = (bootstrap: string[], topic: string, values: string[]): Promise<void> =>
  patiently(`writing to ${topic}`, () => produceOnce(bootstrap, topic, values));

async function produceOnce(bootstrap: string[], topic: string, values: string[]): Promise<void> {
  const producer = new Producer({
    clientId,
    bootstrapBrokers: bootstrap,
    serializers: stringSerializers,
    acks: ProduceAcks.ALL,
    retries: 20,
    retryDelay: 250,
  });
  try {
    await producer.send({ messages: values.map((value) => ({ topic, key: 'k', value })) });
  } finally {
    await producer.close();
  }
}

/** The first `count` values of a topic, by a group of its own, so the coordinator's topics are exercised too. */
export const consume = (bootstrap: string[], topic: string, count: number): Promise<string[]> =>
  patiently(`reading ${topic}`, () => consumeOnce(bootstrap, topic, count));

async function consumeOnce(bootstrap: string[], topic: string, count: number): Promise<string[]> {
  const consumer = new Consumer({
    clientId,
    groupId: `spec-${randomUUID()}`,
    bootstrapBrokers: bootstrap,
    deserializers: stringDeserializers,
    retries: 20,
    retryDelay: 250,
  });
  const values: string[] = [];
  try {
    const stream = await consumer.consume({
      topics: [topic],
      mode: MessagesStreamModes.EARLIEST,
      sessionTimeout: 10_000,
    });
    for await (const message of stream) {
      values.push(message.value);
      if (values.length === count) break;
    }
    return values;
  } finally {
    await consumer.close(true);
  }
}
