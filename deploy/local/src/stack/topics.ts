import type { KafkaConnection } from '@entente/config';
import { topicSettings } from '@entente/contracts';
import { createKafka } from '@entente/kafka';
import type { Logger } from '@entente/observability';

/** What `topics apply` found and did. */
export interface TopicsApplied {
  readonly created: readonly string[];
  readonly existing: readonly string[];
  readonly differing: readonly {
    readonly topic: string;
    readonly setting: string;
    readonly want: string;
    readonly have: string;
  }[];
}

/**
 * Creates the topics of design.md §4. In a cluster of three brokers or more each has three replicas and needs two to
 * accept a write, set on the topic itself (a broker-wide setting is dropped by newer Kafka); locally one replica.
 */
export async function applyTopics(options: { kafka: KafkaConnection; log: Logger }): Promise<TopicsApplied> {
  const kafka = createKafka({ clientId: 'entente-topics', ...options.kafka, log: options.log });
  const admin = kafka.admin();
  try {
    const { brokers } = await admin.describeCluster();
    const replicated = brokers.length >= 3;
    return await admin.ensureTopics(
      topicSettings.map(({ name, partitions, retentionMs }) => ({
        name,
        partitions,
        replicationFactor: replicated ? 3 : 1,
        config: {
          'cleanup.policy': 'delete',
          'retention.ms': String(retentionMs),
          'message.timestamp.type': 'LogAppendTime',
          'min.insync.replicas': replicated ? '2' : '1',
          'unclean.leader.election.enable': 'false',
        },
      })),
    );
  } finally {
    await admin.close();
    await kafka.close();
  }
}
