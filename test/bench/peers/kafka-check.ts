import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { partitionCount } from '@entente/contracts';
import type kafkajs from 'kafkajs';
import { bareKafka, createTopic } from './raw-kafka.ts';

const [requestTopic, answerTopic] = ['bench.check.requests', 'bench.check.answers'];

/**
 * A compliance check as SPECIAL's architecture has it: the question goes to a topic, a checker reads it, decides from a map
 * in its memory and writes the answer to another topic, which the one who asked reads.
 */
export class KafkaCheck {
  readonly #producer: kafkajs.Producer;
  readonly #consumer: kafkajs.Consumer;
  readonly #checker: ChildProcess;
  readonly #waiting = new Map<string, () => void>();
  #next = 0;

  private constructor(producer: kafkajs.Producer, consumer: kafkajs.Consumer, checker: ChildProcess) {
    this.#producer = producer;
    this.#consumer = consumer;
    this.#checker = checker;
  }

  static async start(bootstrap: readonly string[]): Promise<KafkaCheck> {
    const kafka = bareKafka(bootstrap);
    for (const topic of [requestTopic, answerTopic]) await createTopic(kafka, topic);
    const checker = fork(join(import.meta.dirname, 'kafka-checker.ts'), [bootstrap.join(',')]);
    await once(checker, 'message');
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    const consumer = kafka.consumer({ groupId: 'bench-asker', maxWaitTimeInMs: 250, minBytes: 1 });
    await Promise.all([producer.connect(), consumer.connect()]);
    const peer = new KafkaCheck(producer, consumer, checker);
    await consumer.subscribe({ topic: answerTopic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: ({ message }) => {
        const id = message.key?.toString() ?? '';
        peer.#waiting.get(id)?.();
        peer.#waiting.delete(id);
        return Promise.resolve();
      },
    });
    await peer.check('warm-up');
    return peer;
  }

  /** Resolves with the answer. */
  async check(subjectKey: string): Promise<void> {
    const id = String((this.#next += 1));
    const answered = new Promise<void>((resolve) => this.#waiting.set(id, resolve));
    const message = {
      key: id,
      value: JSON.stringify({ subjectKey, purpose: 'email-marketing', recipient: 'hubspot-crm' }),
    };
    await this.#producer.send({
      ...{ topic: requestTopic, acks: -1 },
      messages: [{ ...message, partition: this.#next % partitionCount }],
    });
    await answered;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#producer.disconnect(), this.#consumer.disconnect()]);
    this.#checker.disconnect();
    if (this.#checker.exitCode === null) await once(this.#checker, 'exit');
  }
}
