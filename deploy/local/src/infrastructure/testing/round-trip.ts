import { randomUUID } from 'node:crypto';
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

export async function createTopic(bootstrap: string[], topic: string, replicas = 1): Promise<void> {
  const admin = new Admin({ clientId, bootstrapBrokers: bootstrap });
  try {
    await admin.createTopics({ topics: [topic], partitions: 1, replicas });
  } finally {
    await admin.close();
  }
}

export async function produce(bootstrap: string[], topic: string, values: string[]): Promise<void> {
  const producer = new Producer({
    clientId,
    bootstrapBrokers: bootstrap,
    serializers: stringSerializers,
    retries: 20,
    retryDelay: 250,
  });
  try {
    // Said here: what the producer itself is told of it does not count, and the leader's word alone dies with the leader.
    await producer.send({ acks: ProduceAcks.ALL, messages: values.map((value) => ({ topic, key: 'k', value })) });
  } finally {
    await producer.close();
  }
}

/** The first `count` values of a topic, by a group of its own, so the coordinator's topics are exercised too. */
export async function consume(bootstrap: string[], topic: string, count: number): Promise<string[]> {
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
