import { ClusterAdmin } from './admin.ts';
import { checkConnection } from './connection.ts';
import { explainLine, newProducer } from './kafkajs/producer.ts';
import { ConsumerSession } from './kafkajs/session.ts';
import type { Kafka, KafkaOptions, PublisherOptions, SourceOptions } from './port.ts';
import { SingleFlightPublisher } from './publisher.ts';
import { RebuildingSource, type NewSession } from './source.ts';
import { LeaderTail } from './tail.ts';

const defaults = {
  publishTimeoutMs: 5000,
  connectBudgetMs: 1000,
  sessionTimeoutMs: 6000,
  heartbeatIntervalMs: 1500,
  maxWaitMs: 500,
  gatherMs: 0,
  maxBytesPerPartition: 512 * 1024,
  maxBufferedRecords: 2000,
  maxBufferedBytes: 2 * 1024 * 1024,
  rebalanceDrainMs: 1000,
};

/**
 * Kafka over kafkajs 2.2.4, hardened (kafka-on-node.md §1.3, §1.4). Nothing connects before it is used.
 * @throws KafkaFault with everything that is wrong with how the brokers are to be reached
 */
export function createKafka(options: KafkaOptions): Kafka {
  checkConnection(options);
  const open: { close(): Promise<void> }[] = [];
  const kept = <T extends { close(): Promise<void> }>(made: T): T => {
    open.push(made);
    return made;
  };
  const tail = kept(new LeaderTail(options));
  return {
    publisher: (o: PublisherOptions = {}) => {
      const publishTimeoutMs = o.publishTimeoutMs ?? defaults.publishTimeoutMs;
      const connectBudgetMs = Math.min(publishTimeoutMs, defaults.connectBudgetMs);
      const settings = { publishTimeoutMs, connectBudgetMs };
      return kept(new SingleFlightPublisher(() => newProducer(options), explainLine, options.log, settings));
    },
    source: (o: SourceOptions = {}) => {
      const settings = { ...defaults, ...o };
      const newSession: NewSession = (start, memberId, events) => {
        const { groupId, topics, fromBeginning = true } = start;
        return new ConsumerSession(options, { ...settings, groupId, topics, fromBeginning }, memberId, events);
      };
      return new RebuildingSource(newSession, options.log, settings);
    },
    admin: () => kept(new ClusterAdmin(options)),
    readRange: (topic, partition, from, toExclusive) => tail.readRange(topic, partition, from, toExclusive),
    close: async () => {
      await Promise.all(open.map((made) => made.close()));
    },
  };
}
