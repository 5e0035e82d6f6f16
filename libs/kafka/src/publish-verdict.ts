import { KafkaFault } from './faults.ts';
import { tpKey, type OutRecord, type PublishResult, type TP } from './port.ts';

/** One line of the client's answer to a send. */
export interface SentPartition {
  topicName: string;
  partition: number;
  errorCode: number;
  baseOffset?: string;
  logAppendTime?: string;
  error?: unknown;
}

export interface TopicMessages {
  topic: string;
  messages: {
    partition: number;
    key: Buffer | null;
    value: Buffer | null;
    headers?: Record<string, string | Buffer>;
  }[];
}

/** The records by topic, in their order. */
export function byTopic(records: readonly OutRecord[]): TopicMessages[] {
  const topics = new Map<string, TopicMessages>();
  for (const { topic, partition, key, value, headers } of records) {
    let entry = topics.get(topic);
    if (!entry) topics.set(topic, (entry = { topic, messages: [] }));
    entry.messages.push({ partition, key, value, ...(headers === undefined ? {} : { headers }) });
  }
  return [...topics.values()];
}

/** The partitions of these records, each once, with their number of records. */
function partitionsOf(records: readonly OutRecord[]): Map<string, TP & { count: number }> {
  const counts = new Map<string, TP & { count: number }>();
  for (const { topic, partition } of records) {
    const key = tpKey({ topic, partition });
    const entry = counts.get(key);
    if (entry) entry.count += 1;
    else counts.set(key, { topic, partition, count: 1 });
  }
  return counts;
}

/**
 * Compares what was sent with what was answered. A partition missing from the answer was perhaps never written although the
 * send "succeeded" (kafkajs#1303): it has failed.
 */
export function verdict(
  records: readonly OutRecord[],
  answer: readonly SentPartition[],
  explain: (line: SentPartition) => Error,
): PublishResult[] {
  const lines = new Map<string, SentPartition[]>();
  for (const line of answer) {
    const key = tpKey({ topic: line.topicName, partition: line.partition });
    lines.set(key, [...(lines.get(key) ?? []), line]);
  }
  return [...partitionsOf(records)].map(([key, { topic, partition, count }]): PublishResult => {
    const mine = lines.get(key) ?? [];
    const [line] = mine;
    const failed = mine.find((l) => l.errorCode !== 0);
    if (failed) return { topic, partition, ok: false, error: explain(failed) };
    if (line === undefined || mine.length > 1 || line.baseOffset === undefined || BigInt(line.baseOffset) < 0n) {
      const error = new KafkaFault(
        'incomplete',
        `publish to ${key}: the broker's answer does not show that it was written`,
      );
      return { topic, partition, ok: false, error };
    }
    const appendedAt = Number(line.logAppendTime ?? -1);
    return {
      ...{ topic, partition, ok: true, baseOffset: BigInt(line.baseOffset), count },
      ...(appendedAt >= 0 ? { appendedAt } : {}),
    };
  });
}

export const allFailed = (records: readonly OutRecord[], error: Error): PublishResult[] =>
  [...partitionsOf(records).values()].map(({ topic, partition }) => ({ topic, partition, ok: false, error }));
