import { within } from './deadline.ts';
import { faultOf, KafkaFault } from './faults.ts';
import { Client, readCommitted } from './kafkajs/client.ts';
import { toInRecord } from './kafkajs/decode.ts';
import { batchClass, type Cluster } from './kafkajs/internals.ts';
import type { InRecord, KafkaOptions } from './port.ts';

const maxBytesPerFetch = 4 * 1024 * 1024;
const maxWaitMs = 500;
/** Without progress for this long a read gives up. */
const stallMs = 10_000;

/** Fetches straight from the leader: no group, no coordinator, nothing left behind. */
export class LeaderTail {
  private readonly options: KafkaOptions;
  private current: { client: Client; cluster: Cluster } | undefined;

  constructor(options: KafkaOptions) {
    this.options = options;
  }

  async readRange(topic: string, partition: number, from: bigint, toExclusive: bigint): Promise<InRecord[]> {
    const records: InRecord[] = [];
    let next = from;
    try {
      while (next < toExclusive) {
        const { found, end } = await within(stallMs, 'fetch', this.fetch(topic, partition, next));
        for (const record of found) if (record.offset < toExclusive) records.push(record);
        if (end === next) throw new KafkaFault('timeout', `the log ends at ${next}, before ${toExclusive}`);
        next = end;
      }
      return records;
    } catch (error) {
      this.drop();
      throw faultOf(error, `read ${topic}:${partition} from ${from} to ${toExclusive}`);
    }
  }

  close(): Promise<void> {
    this.drop();
    return Promise.resolve();
  }

  private async fetch(topic: string, partition: number, offset: bigint): Promise<{ found: InRecord[]; end: bigint }> {
    const cluster = await this.connected();
    await cluster.addMultipleTargetTopics([topic]);
    const leader = cluster.findTopicPartitionMetadata(topic).find((p) => p.partitionId === partition)?.leader;
    if (leader === undefined) throw new KafkaFault('unknown-topic', `${topic} has no partition ${partition}`);
    const broker = await cluster.findBroker({ nodeId: leader });
    const fetchOffset = offset.toString();
    const { responses } = await broker.fetch({
      ...{ maxWaitTime: maxWaitMs, minBytes: 1, maxBytes: maxBytesPerFetch, isolationLevel: readCommitted },
      topics: [{ topic, partitions: [{ partition, fetchOffset, maxBytes: maxBytesPerFetch }] }],
    });
    const data = responses.flatMap((r) => r.partitions).find((p) => p.partition === partition);
    if (!data) return { found: [], end: offset };
    const batch = new batchClass(topic, fetchOffset, data);
    const found = batch.messages.map((m) => toInRecord({ topic, partition }, m));
    return { found, end: batch.isEmptyIncludingFiltered() ? offset : BigInt(batch.lastOffset()) + 1n };
  }

  private async connected(): Promise<Cluster> {
    if (!this.current) {
      const client = new Client(this.options);
      this.current = { client, cluster: client.cluster() };
    }
    const { cluster } = this.current;
    await cluster.connect();
    return cluster;
  }

  private drop(): void {
    const { current } = this;
    this.current = undefined;
    if (!current) return;
    current.client.destroy();
    current.cluster
      .disconnect()
      .catch((err: unknown) => this.options.log.debug({ err }, 'kafka tail disconnect failed'));
  }
}
