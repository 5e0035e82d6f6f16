/** The narrow port of Entente to Kafka. No type of the client library crosses it. */

/** What this library needs of a logger; pino fits. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Topic and partition. */
export interface TP {
  topic: string;
  partition: number;
}

/** The key under which maps of this port hold a topic and partition: `topic:partition`. */
export const tpKey = (tp: TP): string => `${tp.topic}:${tp.partition}`;

export interface OutRecord extends TP {
  key: Buffer | null;
  value: Buffer | null;
  headers?: Record<string, string | Buffer>;
}

/** One per (topic, partition) of a publish. Not ok means: may or may not be in the log; send again (at least once). */
export type PublishResult =
  | { topic: string; partition: number; ok: true; baseOffset: bigint; count: number; appendedAt?: number }
  | { topic: string; partition: number; ok: false; error: Error };

/** One idempotent producer with exactly one send in flight; concurrent callers queue. */
export interface EventPublisher {
  /** Never rejects for Kafka's sake: every (topic, partition) has its own result, within about the publish timeout. */
  publish(records: readonly OutRecord[]): Promise<PublishResult[]>;
  /** Drops the producer; the next publish begins with a new producer id. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export interface InRecord extends TP {
  offset: bigint;
  /** Milliseconds since 1970, by the broker where the topic says LogAppendTime. */
  timestamp: number;
  key: Buffer | null;
  value: Buffer | null;
  /** Decoded as UTF-8; of a header that stands several times, the last. */
  headers: Record<string, string>;
}

/** First offset kept and the offset the next record will get. */
export interface OffsetRange {
  low: bigint;
  high: bigint;
}

export interface SourceStart {
  groupId: string;
  topics: readonly string[];
  /** Where to begin without a position and without a commit. Default true. */
  fromBeginning?: boolean;
  /**
   * Asked at each join of the group, after the calls to onRecords of the epoch before have ended. Keys by `tpKey`, value =
   * the next offset wanted; a partition that is missing begins at its low (fromBeginning) or high end, never at the group's
   * commit. While it rejects, it is asked again and nothing is read.
   */
  positions?: (tps: TP[], epoch: number) => Promise<ReadonlyMap<string, bigint>>;
  /**
   * One call at a time per partition, in offset order, never empty. When it rejects, the same records are handed again after
   * a pause of 100 ms to 1 s; other partitions go on.
   */
  onRecords(tp: TP, records: InRecord[], epoch: number): Promise<void>;
  onAssigned?(tps: TP[], epoch: number): void;
  /** The running calls have been given a moment to end; commits of the old epoch are dropped after this. */
  onRevoked?(tps: TP[]): void;
  /** Told before reading goes on elsewhere; may answer with the offset to read from. Default: the low end. */
  onOutOfRange?(tp: TP, wanted: bigint, range: OffsetRange): Promise<bigint | undefined> | bigint | undefined | void;
  /** Commit to the group whatever onRecords has finished, at most twice a second and at stop. Default false. */
  commitAfterRecords?: boolean;
}

export interface ConsumerState {
  /** Joined, positioned and fetching; false while the consumer is being (re)built or rebalanced. */
  running: boolean;
  epoch: number;
  assigned: TP[];
  /** Milliseconds since the last answered fetch or heartbeat; null before the first. */
  msSinceFetch: number | null;
  msSinceHeartbeat: number | null;
  rebalances: number;
  rebuilds: number;
  partitions: PartitionState[];
}

export interface PartitionState extends TP {
  /** Everything below is finished. */
  position: bigint | null;
  /** The broker's end of the log when last heard. */
  highWatermark: bigint | null;
  lag: bigint | null;
  buffered: number;
  paused: boolean;
  /** Failed calls to onRecords for the records it stands at. */
  failures: number;
}

export interface EventSource {
  /** Resolves at the first assignment; keeps trying while Kafka is away; rejects for what waiting cannot mend. */
  start(start: SourceStart): Promise<void>;
  /** Keys by `tpKey`. Dropped when the epoch is over; refused past what was handed out; never goes back. */
  commit(epoch: number, offsets: ReadonlyMap<string, bigint>): Promise<void>;
  /** Stops handing out; resume is immediate. Forgotten at the next join. */
  pause(tp: TP): void;
  resume(tp: TP): void;
  /** Asks `positions` again and reads on from there in a new epoch, without leaving the group. */
  reposition(): Promise<void>;
  /** Called for what a person must mend (topic gone, not authorised); the source keeps trying. */
  onFatal(callback: (error: Error) => void): void;
  state(): ConsumerState;
  /** Lets running calls end, commits if told to, leaves the group: within drainMs. */
  stop(drainMs: number): Promise<void>;
}

export interface TopicSpec {
  name: string;
  partitions: number;
  replicationFactor: number;
  config: Record<string, string>;
}

export interface TopicDifference {
  topic: string;
  setting: string;
  want: string;
  have: string;
}

export interface Admin {
  ensureTopics(
    specs: readonly TopicSpec[],
  ): Promise<{ created: string[]; existing: string[]; differing: TopicDifference[] }>;
  /** By partition. */
  offsets(topic: string): Promise<Map<number, OffsetRange>>;
  describeCluster(): Promise<{ brokers: { id: number; host: string; port: number }[]; controller: number | null }>;
  /** Committed offset and lag per `tpKey`; without a commit the lag counts from the low end. */
  groupLag(groupId: string, topics: readonly string[]): Promise<Map<string, { committed: bigint | null; lag: bigint }>>;
  deleteGroups(groupIds: readonly string[]): Promise<void>;
  deleteTopics(topics: readonly string[]): Promise<void>;
  healthy(): Promise<boolean>;
  close(): Promise<void>;
}

export interface Kafka {
  publisher(options?: PublisherOptions): EventPublisher;
  source(options?: SourceOptions): EventSource;
  admin(): Admin;
  /**
   * Without a group: the records kept in [from, toExclusive), in order; compaction and retention may have left holes. Rejects when
   * the log ends before.
   */
  readRange(topic: string, partition: number, from: bigint, toExclusive: bigint): Promise<InRecord[]>;
  /** Closes every publisher and admin made here; sources are stopped by their owners, who know the drain budget. */
  close(): Promise<void>;
}

export interface KafkaOptions {
  clientId: string;
  brokers: readonly string[];
  log: Log;
  /** TLS to every broker. */
  ssl?: KafkaTls | undefined;
  sasl?: KafkaLogin | undefined;
}

/** PEM texts. Without `ca` those authorities are believed that Node trusts; `cert` and `key` show who we are. */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

export interface PublisherOptions {
  /** Upper bound of one publish, connecting included. Default 5000 ms. */
  publishTimeoutMs?: number;
}

export interface SourceOptions {
  /** Default 6000 ms, the broker's own floor: a killed member's partitions move after this. */
  sessionTimeoutMs?: number;
  /** Default 1500 ms. */
  heartbeatIntervalMs?: number;
  /** Longest wait of an empty fetch; no delivery waits for it. Default 500 ms. */
  maxWaitMs?: number;
  /**
   * After a fetch that brought few records the next waits this long for more to gather. The first record after a quiet moment
   * is never delayed; under traffic there is a fetch so often and no oftener, each of which costs broker and client the same
   * whatever it brings. Default 0 ms.
   */
  gatherMs?: number;
  /** Default 512 KiB. */
  maxBytesPerPartition?: number;
  /** Read-ahead per partition, after which its fetching pauses. Default 2000 records or 2 MiB. */
  maxBufferedRecords?: number;
  maxBufferedBytes?: number;
  /** How long a rebalance waits for running calls to onRecords. Default 1000 ms. */
  rebalanceDrainMs?: number;
}
