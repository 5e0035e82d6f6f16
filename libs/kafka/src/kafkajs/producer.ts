import { faultOf } from '../faults.ts';
import type { KafkaOptions } from '../port.ts';
import type { SentPartition } from '../publish-verdict.ts';
import type { Producer } from '../publisher.ts';
import { Client, clientRetry, shared } from './client.ts';
import { errorOfCode, kafkajs } from './internals.ts';

/** The broker's own limit for an acknowledgement, ms: it answers "timed out" per partition before our request timeout. */
const ackTimeoutMs = 4000;

/** A kafkajs producer on connections of its own. Its answers hold every partition (see patches). */
export function newProducer(options: KafkaOptions): Producer {
  const client = new Client(options);
  const producer = client.kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: shared.allowAutoTopicCreation,
    metadataMaxAge: shared.metadataMaxAgeMs,
    // Every record names its partition; a partitioner of our own also keeps kafkajs from warning about its default.
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    // Tries again only what comes before the write (metadata, connecting): a produce itself never rejects, see patches.
    retry: clientRetry,
  });
  return {
    connect: () => producer.connect(),
    sendBatch: ({ acks, timeout, topicMessages }) =>
      producer.sendBatch({ acks, timeout: Math.min(timeout, ackTimeoutMs), topicMessages }),
    destroy: () => {
      client.destroy();
      producer.disconnect().catch((err: unknown) => options.log.debug({ err }, 'kafka producer disconnect failed'));
    },
  };
}

/** The error behind one line of a producer's answer. */
export function explainLine(line: SentPartition): Error {
  const asked = `publish to ${line.topicName}:${line.partition}`;
  return faultOf(line.error ?? errorOfCode(line.errorCode), asked);
}
