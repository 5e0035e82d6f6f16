import { systemClock } from '@entente/observability';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { Pause, within } from '../deadline.ts';
import { faultOf, KafkaFault } from '../faults.ts';
import type { Fetched } from '../feed.ts';
import type { KafkaOptions, OffsetRange, SourceOptions, TP } from '../port.ts';
import { byTopicPartitions, tpOfKey, tpsOf } from '../assignment.ts';
import { Client, clientRetry, shared } from './client.ts';
import { toInRecord } from './decode.ts';
import { kafkajs, type Batch, type ConsumerGroup, type GroupHooks } from './internals.ts';
import { Watchdog } from './watchdog.ts';

/** What a session tells its source; the promises are awaited before the client goes on. */
export interface SessionEvents {
  beforeJoin(): Promise<void>;
  afterJoin(tps: TP[]): Promise<void>;
  /** False, and sought anew, where records would be left out in front of what was asked from. */
  follows(tp: TP, from: bigint): boolean;
  /** Resolves when the fetch loop may go on; must be quick. False: nothing of it was taken. */
  onBatch(tp: TP, fetched: Fetched): Promise<boolean>;
  outOfRange(tp: TP, wanted: bigint, range: OffsetRange): Promise<void>;
}

export interface SessionSettings extends Required<
  Pick<SourceOptions, 'sessionTimeoutMs' | 'heartbeatIntervalMs' | 'maxWaitMs' | 'gatherMs' | 'maxBytesPerPartition'>
> {
  groupId: string;
  topics: readonly string[];
  fromBeginning: boolean;
}

/** A rebalance waits this long for members that do not come back, ms. */
const rebalanceTimeoutMs = 10_000;
/** With one broker of several away: pause between looks at where its partitions went, ms. */
const elsewhereMs = 250;
/** Longest memory of one fetch, over all partitions. */
const maxBytes = 10 * 1024 * 1024;
const concurrency = 8;
/** A fetch that brought fewer may be followed by a pause (`gatherMs`). */
const fewRecords = 200;

/** One life of one kafkajs consumer on connections of its own, from joining the group to its first serious trouble. */
export class ConsumerSession implements GroupHooks {
  /** Resolves with the reason when the session is over; never rejects. */
  readonly ended: Promise<Error>;
  lastFetch: number | null = null;
  lastHeartbeat: number | null = null;

  private readonly client: Client;
  private readonly consumer: Consumer;
  private readonly events: SessionEvents;
  private readonly settings: SessionSettings;
  private readonly options: KafkaOptions;
  private readonly pauses = new Pause();
  private readonly watchdog = new Watchdog((node) =>
    this.end(new KafkaFault('timeout', `fetch from broker ${node}: no answer`)),
  );
  private end!: (reason: Error) => void;
  private over = false;
  private joined = false;
  private joins = 0;
  /** Every partition has its place: since the newest join nothing was asked for from elsewhere. */
  private placed = false;
  /** In which join a batch was taken. */
  private readonly joinOf = new WeakMap<object, number>();
  private group: ConsumerGroup | undefined;
  private rememberedMember: string | null;
  /** Per broker, monotonic milliseconds. */
  private readonly gatherUntil = new Map<string, number>();

  /** `memberId`: of the session before, so that the group need not wait for that one's session timeout. */
  constructor(options: KafkaOptions, settings: SessionSettings, memberId: string | null, events: SessionEvents) {
    this.options = options;
    this.settings = settings;
    this.events = events;
    this.rememberedMember = memberId;
    this.client = new Client(options);
    this.ended = new Promise((resolve) => {
      this.end = (reason) => {
        this.over = true;
        this.watchdog.stop();
        this.pauses.wake();
        resolve(reason);
      };
    });
    const roundRobin = kafkajs.PartitionAssigners.roundRobin;
    this.consumer = this.client.kafka.consumer({
      groupId: settings.groupId,
      minBytes: 1,
      maxWaitTimeInMs: settings.maxWaitMs,
      maxBytesPerPartition: settings.maxBytesPerPartition,
      maxBytes,
      sessionTimeout: settings.sessionTimeoutMs,
      heartbeatInterval: settings.heartbeatIntervalMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      allowAutoTopicCreation: shared.allowAutoTopicCreation,
      metadataMaxAge: shared.metadataMaxAgeMs,
      partitionAssigners: [(config) => Object.assign(roundRobin(config), { hooks: this })],
      retry: { ...clientRetry, retries: 5, restartOnFailure: () => Promise.resolve(false) },
    });
    this.consumer.on(this.consumer.events.CRASH, ({ payload }) => this.end(payload.error));
    this.consumer.on(this.consumer.events.HEARTBEAT, () => {
      this.lastHeartbeat = systemClock.monotonic();
    });
  }

  get memberId(): string | null {
    return this.group?.memberId ?? this.rememberedMember;
  }

  /** Resolves when joined, positioned and fetching. */
  async start(): Promise<void> {
    const joining = this.begin();
    const failed = this.ended.then((reason) => Promise.reject(reason));
    await Promise.race([joining, failed]);
    this.watchdog.start();
  }

  seek(tp: TP, offset: bigint): void {
    this.group?.seek({ ...tp, offset: offset.toString() });
  }

  pause(tp: TP): void {
    this.group?.pause(byTopicPartitions([tp]));
  }

  resume(tp: TP): void {
    this.group?.resume(byTopicPartitions([tp]));
    this.pauses.wake();
  }

  async commit(offsets: ReadonlyMap<string, bigint>): Promise<void> {
    // The client keeps offsets of a member only: none before the first join of this life has ended.
    if (!this.group?.offsetManager || this.over)
      throw new KafkaFault('unavailable', `commit to ${this.settings.groupId}: not in the group`);
    const topics = [...offsets].map(([key, offset]) => {
      const { topic, partition } = tpOfKey(key);
      return { topic, partitions: [{ partition, offset: offset.toString(), metadata: null }] };
    });
    try {
      await this.group.commitOffsets({ topics });
    } catch (error) {
      throw faultOf(error, `commit to ${this.settings.groupId}`);
    }
  }

  async range(tps: readonly TP[]): Promise<Map<string, OffsetRange>> {
    if (!this.group) throw new KafkaFault('unavailable', 'offsets: not in the group');
    const { cluster } = this.group;
    const topics = byTopicPartitions(tps).map((t) => ({
      topic: t.topic,
      partitions: t.partitions.map((partition) => ({ partition })),
    }));
    const asked = [true, false].map((fromBeginning) =>
      cluster.fetchTopicsOffset(topics.map((t) => ({ ...t, fromBeginning }))),
    );
    const [low, high] = await Promise.all(asked).catch(async (error: unknown) => {
      // Nobody fetches meanwhile, which is when kafkajs looks again who leads: it would be asked of the old leader for ever.
      await cluster.refreshMetadata().catch((err: unknown) => this.options.log.debug({ err }, 'metadata not read'));
      throw error;
    });
    const found = new Map<string, OffsetRange>();
    const each = (answer: typeof low, set: (key: string, offset: bigint) => void) => {
      for (const t of answer ?? []) for (const p of t.partitions) set(`${t.topic}:${p.partition}`, BigInt(p.offset));
    };
    each(low, (key, offset) => found.set(key, { low: offset, high: offset }));
    each(high, (key, offset) => found.set(key, { low: found.get(key)?.low ?? 0n, high: offset }));
    return found;
  }

  /** Keeps the membership alive while something else than fetching takes its time. */
  async keepAlive(): Promise<void> {
    await this.group?.heartbeat({ interval: this.settings.heartbeatIntervalMs });
  }

  /** Leaves the group, so that others take over at once, if that can be told within `maxMs`; then cuts the connections. */
  async leave(maxMs: number): Promise<void> {
    try {
      if (this.group && this.joined && !this.over) await within(maxMs, 'leave group', this.group.leave());
    } catch (err) {
      this.options.log.debug(
        { err, groupId: this.settings.groupId },
        'could not leave the group; its session will expire',
      );
    }
    this.abandon();
  }

  /** Ends this life; the source begins the next. */
  fail(reason: Error): void {
    this.end(reason);
  }

  abandon(): void {
    this.end(new KafkaFault('closed', 'session over'));
    this.rememberedMember = this.memberId;
    this.client.destroy();
    this.consumer
      .disconnect()
      .catch((err: unknown) => this.options.log.debug({ err }, 'kafka consumer disconnect failed'));
  }

  private async begin(): Promise<void> {
    const { topics, fromBeginning, groupId } = this.settings;
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [...topics], fromBeginning });
    await this.consumer.run({
      autoCommit: false,
      // What is not taken is asked for again.
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: concurrency,
      eachBatch: (payload) => this.eachBatch(payload),
    });
    // A failed first join crashes the consumer, which is told by an event; run() resolves all the same.
    if (!this.joined) throw await within(rebalanceTimeoutMs, `join ${groupId}`, this.ended);
  }

  private async eachBatch(payload: EachBatchPayload): Promise<void> {
    if (this.over || payload.isStale()) return;
    const { batch } = payload;
    // It may have waited for its turn over a join.
    if (this.joinOf.get(batch) !== this.join) return;
    if (await this.events.onBatch(tpIn(batch), fetchedIn(batch))) payload.resolveOffset(batch.lastOffset());
  }

  async beforeJoin(group: ConsumerGroup): Promise<void> {
    if (this.over) throw new KafkaFault('closed', 'session over');
    this.placed = false;
    this.watchdog.hold();
    group.seekOffset.clear();
    this.group = group;
    if (this.joined) await this.events.beforeJoin();
    else group.memberId = this.rememberedMember;
  }

  joinFailed(error: unknown): void {
    this.end(faultOf(error, `join ${this.settings.groupId}`));
  }

  async afterJoin(group: ConsumerGroup): Promise<void> {
    this.lastHeartbeat = systemClock.monotonic();
    try {
      await this.events.afterJoin(tpsOf(group.assigned()));
      this.joined = true;
      this.joins += 1;
      this.placed = true;
      this.watchdog.release();
      this.pauses.wake();
    } catch (error) {
      // The client would go on from the committed offsets, without a handler: this life ends here.
      this.end(faultOf(error, 'positions'));
      throw error;
    }
  }

  get join(): number | null {
    return this.placed ? this.joins : null;
  }

  takes(batch: Batch, join: number): boolean {
    if (this.over || join !== this.join) return false;
    if (!this.events.follows(tpIn(batch), BigInt(batch.fetchedOffset))) return false;
    this.joinOf.set(batch, join);
    // Records of which none is for readers: the client goes past them without a word.
    if (batch.messages.length === 0 && batch.rawMessages.length > 0)
      void this.events.onBatch(tpIn(batch), fetchedIn(batch));
    return true;
  }

  idle(maxMs: number): Promise<void> {
    this.lastFetch = systemClock.monotonic();
    return this.over ? Promise.resolve() : this.pauses.sleep(maxMs);
  }

  async gathering(nodeId: string): Promise<void> {
    const waitMs = (this.gatherUntil.get(nodeId) ?? 0) - systemClock.monotonic();
    if (waitMs > 0 && !this.over) await this.pauses.sleep(waitMs);
  }

  fetching(nodeId: string): void {
    if (!this.over) this.watchdog.began(nodeId);
  }

  fetched(nodeId: string, batches: readonly Batch[]): void {
    const now = systemClock.monotonic();
    this.lastFetch = now;
    this.watchdog.ended(nodeId);
    const records = batches.reduce((sum, { messages }) => sum + messages.length, 0);
    // Behind, nothing is to be gathered any more.
    this.gatherUntil.set(nodeId, records > 0 && records < fewRecords ? now + this.settings.gatherMs : now);
  }

  heartbeatFailed(error: unknown): void {
    this.end(faultOf(error, 'heartbeat'));
  }

  async connectionTrouble(group: ConsumerGroup, error: unknown): Promise<boolean> {
    if (this.over) return true;
    const alone = Object.keys(group.cluster.brokerPool.brokers).length <= 1;
    if (alone) {
      this.end(faultOf(error, 'fetch'));
      return true;
    }
    // One broker of several is away: the others' partitions go on while its own find a new leader.
    await this.pauses.sleep(elsewhereMs);
    try {
      await group.cluster.refreshMetadata();
    } catch (refreshError) {
      this.end(faultOf(refreshError, 'metadata'));
    }
    return true;
  }

  async outOfRange(group: ConsumerGroup, tp: TP): Promise<void> {
    const { join } = this;
    // What was asked for before a join or a seek says nothing of the place that is wanted now.
    if (join === null || group.seekOffset.has(tp.topic, tp.partition)) return;
    const wanted = BigInt(group.offsetManager?.nextOffset(tp.topic, tp.partition).toString() ?? 0);
    const range = (await this.range([tp])).get(`${tp.topic}:${tp.partition}`);
    if (this.over || this.join !== join || range === undefined) return;
    if (wanted >= range.low && wanted <= range.high) await this.pauses.sleep(elsewhereMs);
    else await this.events.outOfRange(tp, wanted, range);
  }
}

const tpIn = ({ topic, partition }: Pick<Batch, 'topic' | 'partition'>): TP => ({ topic, partition });

function fetchedIn(batch: Batch | EachBatchPayload['batch']): Fetched {
  const { fetchedOffset } = batch as Batch;
  return {
    from: BigInt(fetchedOffset),
    end: BigInt(batch.lastOffset()) + 1n,
    records: batch.messages.map((message) => toInRecord(tpIn(batch), message)),
    highWatermark: BigInt(batch.highWatermark),
  };
}
