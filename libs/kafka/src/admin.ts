import { setTimeout as pause } from 'node:timers/promises';
import { within } from './deadline.ts';
import { faultOf, KafkaFault } from './faults.ts';
import { Client } from './kafkajs/client.ts';
import { kafkajs } from './kafkajs/internals.ts';
import { tpKey, type Admin, type KafkaOptions, type OffsetRange, type TopicSpec } from './port.ts';
import { topicDifferences, type TopicAsIs } from './topics.ts';

type ClientAdmin = ReturnType<Client['kafka']['admin']>;

/** One request may take this long, connecting included, ms. */
const adminTimeoutMs = 15_000;
const healthTimeoutMs = 2000;

/** Administration over one lazily made connection, made anew after any failure. */
export class ClusterAdmin implements Admin {
  private readonly options: KafkaOptions;
  private current: { client: Client; admin: Promise<ClientAdmin> } | undefined;

  constructor(options: KafkaOptions) {
    this.options = options;
  }

  async ensureTopics(specs: readonly TopicSpec[]): ReturnType<Admin['ensureTopics']> {
    return this.ask('ensure topics', async (admin) => {
      const have = new Set(await admin.listTopics());
      const missing = specs.filter((s) => !have.has(s.name));
      const existing = specs.filter((s) => have.has(s.name));
      if (missing.length > 0) {
        await admin.createTopics({
          waitForLeaders: false,
          topics: missing.map((s) => ({
            topic: s.name,
            numPartitions: s.partitions,
            replicationFactor: s.replicationFactor,
            configEntries: Object.entries(s.config).map(([name, value]) => ({ name, value })),
          })),
        });
        await untilLed(
          admin,
          missing.map((s) => s.name),
        );
      }
      const asIs = await this.describe(
        admin,
        existing.map((s) => s.name),
      );
      const differing = existing.flatMap((spec) => topicDifferences(spec, asIs.get(spec.name)));
      return { created: missing.map((s) => s.name), existing: existing.map((s) => s.name), differing };
    });
  }

  async offsets(topic: string): Promise<Map<number, OffsetRange>> {
    return this.ask(`offsets of ${topic}`, async (admin) => {
      const offsets = await admin.fetchTopicOffsets(topic);
      return new Map(offsets.map((o) => [o.partition, { low: BigInt(o.low), high: BigInt(o.high) }]));
    });
  }

  async describeCluster(): ReturnType<Admin['describeCluster']> {
    return this.ask('describe cluster', async (admin) => {
      const { brokers, controller } = await admin.describeCluster();
      return { brokers: brokers.map((b) => ({ id: b.nodeId, host: b.host, port: b.port })), controller };
    });
  }

  async groupLag(groupId: string, topics: readonly string[]): ReturnType<Admin['groupLag']> {
    return this.ask(`lag of ${groupId}`, async (admin) => {
      const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
      const lags = new Map<string, { committed: bigint | null; lag: bigint }>();
      for (const { topic, partitions } of committed) {
        for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
          const offset = BigInt(partitions.find((p) => p.partition === partition)?.offset ?? -1);
          const from = offset < 0n ? BigInt(low) : offset;
          lags.set(tpKey({ topic, partition }), { committed: offset < 0n ? null : offset, lag: BigInt(high) - from });
        }
      }
      return lags;
    });
  }

  async deleteGroups(groupIds: readonly string[]): Promise<void> {
    await this.ask('delete groups', (admin) => admin.deleteGroups([...groupIds]));
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    await this.ask('delete topics', (admin) => admin.deleteTopics({ topics: [...topics], timeout: adminTimeoutMs }));
  }

  async healthy(): Promise<boolean> {
    try {
      const { brokers } = await within(healthTimeoutMs, 'describe cluster', this.describeCluster());
      return brokers.length > 0;
    } catch (err) {
      this.drop();
      this.options.log.debug({ err }, 'kafka not healthy');
      return false;
    }
  }

  close(): Promise<void> {
    this.drop();
    return Promise.resolve();
  }

  private async describe(admin: ClientAdmin, topics: string[]): Promise<Map<string, TopicAsIs>> {
    const asIs = new Map<string, TopicAsIs>();
    if (topics.length === 0) return asIs;
    const metadata = await admin.fetchTopicMetadata({ topics });
    const configs = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
    });
    for (const { name, partitions } of metadata.topics) {
      const entries = configs.resources.find((r) => r.resourceName === name)?.configEntries ?? [];
      const config = new Map(entries.map((e) => [e.configName, e.configValue]));
      asIs.set(name, { partitions: partitions.length, replicationFactor: partitions[0]?.replicas.length ?? 0, config });
    }
    return asIs;
  }

  private async ask<T>(what: string, act: (admin: ClientAdmin) => Promise<T>): Promise<T> {
    try {
      return await within(adminTimeoutMs, what, this.connected().then(act));
    } catch (error) {
      this.drop();
      throw error instanceof KafkaFault ? error : faultOf(error, what);
    }
  }

  private connected(): Promise<ClientAdmin> {
    if (!this.current) {
      const client = new Client(this.options);
      const admin = client.kafka.admin({
        retry: { retries: 3, initialRetryTime: 50, maxRetryTime: 200, factor: 0.2, multiplier: 2 },
      });
      this.current = { client, admin: admin.connect().then(() => admin) };
    }
    return this.current.admin;
  }

  private drop(): void {
    const { current } = this;
    this.current = undefined;
    if (!current) return;
    current.client.destroy();
    const ignored = (err: unknown) => this.options.log.debug({ err }, 'kafka admin disconnect failed');
    current.admin.then((admin) => admin.disconnect()).catch(ignored);
  }
}

/** How often, and how many milliseconds apart, a new topic is asked for until it has its leaders. */
const leaderQuestions = { most: 100, everyMs: 100 };

/** kafkajs' own wait gives up when the broker it asks has not heard of the topic yet, as one of three may not have. */
async function untilLed(admin: ClientAdmin, topics: string[]): Promise<void> {
  for (let asked = 1; ; asked += 1) {
    const last = asked === leaderQuestions.most;
    try {
      const described = await admin.fetchTopicMetadata({ topics });
      if (described.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0))) return;
      if (last) throw new Error(`no leader yet for ${topics.join(', ')}`);
    } catch (error) {
      if (last || !isRetriable(error)) throw error;
    }
    await pause(leaderQuestions.everyMs);
  }
}

const isRetriable = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'retriable' in error && error.retriable === true;
