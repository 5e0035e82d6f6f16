import { partitionCount } from '@entente/contracts';
import { bareKafka } from './raw-kafka.ts';

/** The checker behind two topics: `kafka-checker.ts <brokers>`; everybody it is asked about agreed. */
const [requestTopic, answerTopic] = ['bench.check.requests', 'bench.check.answers'];
const [brokers = ''] = process.argv.slice(2);
const kafka = bareKafka(brokers.split(','));
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
const consumer = kafka.consumer({ groupId: 'bench-checker', maxWaitTimeInMs: 250, minBytes: 1 });
const agreed = new Map<string, boolean>();
await Promise.all([producer.connect(), consumer.connect()]);
await consumer.subscribe({ topic: requestTopic, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachBatch: async ({ batch }) => {
    const messages = batch.messages.map(({ key, value }) => {
      const { subjectKey } = JSON.parse(value?.toString() ?? '{}') as { subjectKey: string };
      const allowed = agreed.get(subjectKey) ?? true;
      return { key, value: JSON.stringify({ allowed }), partition: Number(key) % partitionCount };
    });
    await producer.send({ topic: answerTopic, acks: -1, messages });
  },
});
process.on('disconnect', () => {
  void Promise.all([producer.disconnect(), consumer.disconnect()]).then(() => process.exit(0));
});
process.send?.('ready');
