import kafkajs from 'kafkajs';

/**
 * The limit that the client library sets: a process that only consumes, with the fetch settings of libs/kafka. It answers
 * each record with the monotonic nanoseconds of its arrival, which all processes of a host share.
 */
const [bootstrap, topic, groupId] = process.argv.slice(2) as [string, string, string];
const client = new kafkajs.Kafka({
  clientId: groupId,
  brokers: bootstrap.split(','),
  logLevel: kafkajs.logLevel.NOTHING,
});
const consumer = client.consumer({ groupId, maxWaitTimeInMs: 250, minBytes: 1, sessionTimeout: 30_000 });
await consumer.connect();
// The topic is of this run: whoever joins late on a loaded machine misses nothing.
await consumer.subscribe({ topic, fromBeginning: true });
let seen: [string, string][] = [];
await consumer.run({
  autoCommit: false,
  eachMessage: ({ message }) => {
    seen.push([message.key?.toString() ?? '', process.hrtime.bigint().toString()]);
    return Promise.resolve();
  },
});
const flush = setInterval(() => {
  if (seen.length === 0) return;
  process.send?.(seen);
  seen = [];
}, 50);
process.on('disconnect', () => {
  clearInterval(flush);
  void consumer.disconnect();
});
process.send?.('ready');
