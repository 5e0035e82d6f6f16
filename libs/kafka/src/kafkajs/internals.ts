import type * as KafkaJS from 'kafkajs';
import { createRequire } from 'node:module';

/**
 * What we use of the insides of kafkajs 2.2.4 (pinned exactly; it has no exports map). Shapes read in its source.
 * One `require` loads all of it, so that the patched classes are the ones in use.
 */
const require = createRequire(import.meta.url);

interface Long {
  toString(): string;
}

/** Bytes being written; each record, and each of its headers, begins one. */
interface Encoder {
  buf: Buffer;
  offset: number;
  ensureAvailable: (this: Encoder, length: number) => void;
  writeUVarInt: (this: Encoder, value: number) => Encoder;
}

interface EncoderClass extends Class<Encoder> {
  new (initialSize?: number): Encoder;
  /** The least power of two above a size. */
  nextPowerOfTwo: (size: number) => number;
}

export interface RequestQueue {
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  pending: unknown[];
  /** Those that were sent and have no answer yet. Times in milliseconds. */
  inflight: Map<number, { requestTimeout: number; timeoutRequest(): void }>;
  enforceRequestTimeout: boolean;
  requestTimeout: number;
  requestTimeoutIntervalId: NodeJS.Timeout | null;
  isConnected(): boolean;
  destroy(): void;
  /** Milliseconds for which the broker wants no request, if any. */
  maybeThrottle: (this: RequestQueue, ms: number | undefined) => void;
  scheduleRequestTimeoutCheck: (this: RequestQueue) => void;
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
  checkPendingRequests: (this: RequestQueue) => void;
}

interface TopicData {
  topic: string;
  partitions: { partition: number }[];
}

interface ProducedPartition {
  partition: number;
  errorCode: number;
  baseOffset: string;
  logAppendTime: string;
  /** Ours: why the request that held this partition has no answer. */
  error?: unknown;
}

export interface ProduceResponse {
  topics: { topicName: string; partitions: ProducedPartition[] }[];
  throttleTime: number;
}

interface FetchTopic {
  topic: string;
  partitions: { partition: number; fetchOffset: string; maxBytes: number }[];
}

export interface FetchedPartition {
  partition: number;
  highWatermark: string;
}

export interface Broker {
  nodeId: number;
  produce: (this: Broker, request: { topicData: TopicData[] }) => Promise<ProduceResponse>;
  fetch(request: {
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    isolationLevel: number;
    topics: FetchTopic[];
  }): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;
}

export interface Message {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers?: Record<string, Buffer | string | (Buffer | string)[] | undefined>;
}

export interface Batch {
  topic: string;
  partition: number;
  /** What the fetch asked from. */
  fetchedOffset: string;
  highWatermark: string;
  messages: Message[];
  /** With control records, and what a compressed batch holds before the offset asked for. */
  rawMessages: unknown[];
  /** After which the client asks next. */
  lastOffset(): string;
  isEmptyIncludingFiltered(): boolean;
}

export interface Cluster {
  /** Times of the wall clock in milliseconds. */
  brokerPool: { brokers: Record<string, unknown>; metadataMaxAge: number; metadataExpireAt: number | null };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: string[]): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[];
  findBroker(node: { nodeId: number }): Promise<Broker>;
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

/** A member of a consumer group as the client keeps it; `assigners` carries our hooks to it. */
export interface ConsumerGroup {
  assigners: { hooks?: GroupHooks }[];
  cluster: Cluster;
  groupId: string;
  generationId: number | null;
  memberId: string | null;
  maxWaitTime: number;
  /** Of the wall clock, milliseconds. */
  lastRequest: number;
  offsetManager: { nextOffset(topic: string, partition: number): Long } | null;
  /** Places that the next fetch of their partition goes to. */
  seekOffset: { has(topic: string, partition: number): boolean; clear(): void };
  joining?: Promise<void> | undefined;
  assigned: (this: ConsumerGroup) => { topic: string; partitions: number[] }[];
  getActiveTopicPartitions: (this: ConsumerGroup) => Record<string, Set<number>>;
  filterPartitionsByNode(
    nodeId: string,
    topics: { topic: string; partitions: number[] }[],
  ): { topic: string; partitions: number[] }[];
  joinAndSync: (this: ConsumerGroup) => Promise<void>;
  leave: (this: ConsumerGroup) => Promise<void>;
  heartbeat: (this: ConsumerGroup, options: { interval: number }) => Promise<void>;
  fetch: (this: ConsumerGroup, nodeId: string) => Promise<Batch[]>;
  recoverFromFetch: (this: ConsumerGroup, error: unknown) => Promise<void>;
  recoverFromOffsetOutOfRange: (this: ConsumerGroup, error: { topic: string; partition: number }) => Promise<void>;
  seek(position: { topic: string; partition: number; offset: string }): void;
  pause(topics: { topic: string; partitions: number[] }[]): void;
  resume(topics: { topic: string; partitions: number[] }[]): void;
  commitOffsets(offsets: {
    topics: { topic: string; partitions: { partition: number; offset: string; metadata: null }[] }[];
  }): Promise<void>;
}

/** Runs a consumer; its fetch manager has one fetching loop for each broker. */
export interface Runner {
  running: boolean;
  fetchManager: { start(): Promise<void>; stop(): Promise<void> };
  fetch: (this: Runner, nodeId: string) => Promise<Batch[]>;
}

/** Awaited by the client at the points where its own events are not. */
export interface GroupHooks {
  beforeJoin(group: ConsumerGroup): Promise<void>;
  joinFailed(error: unknown): void;
  afterJoin(group: ConsumerGroup): Promise<void>;
  /** Counts joins; null from the beginning of one until every partition has its place. */
  readonly join: number | null;
  /** Nothing to fetch from this broker, or not yet: wait for a resume, at most this long. */
  idle(maxMs: number): Promise<void>;
  /** Awaited before each fetch. */
  gathering(nodeId: string): Promise<void>;
  fetching(nodeId: string): void;
  fetched(nodeId: string, batches: readonly Batch[]): void;
  /** Whether what a fetch of that join brought goes on where the partition's records end. */
  takes(batch: Batch, join: number): boolean;
  heartbeatFailed(error: unknown): void;
  /** True: dealt with; false: leave it to the client. */
  connectionTrouble(group: ConsumerGroup, error: unknown): Promise<boolean>;
  outOfRange(group: ConsumerGroup, tp: { topic: string; partition: number }): Promise<void>;
}

type Class<T> = { prototype: T };

export const kafkajs = require('kafkajs') as typeof KafkaJS;
export const encoderClass = require('kafkajs/src/protocol/encoder') as EncoderClass;
export const requestQueueClass = require('kafkajs/src/network/requestQueue') as Class<RequestQueue> &
  (new (options: object) => RequestQueue);
export const brokerClass = require('kafkajs/src/broker') as Class<Broker>;
export const consumerGroupClass = require('kafkajs/src/consumer/consumerGroup') as Class<ConsumerGroup> &
  (new (options: object) => ConsumerGroup);
export const runnerClass = require('kafkajs/src/consumer/runner') as Class<Runner> & (new (options: object) => Runner);
export const batchClass = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  data: FetchedPartition,
) => Batch;
export const clusterClass = require('kafkajs/src/cluster') as new (options: Record<string, unknown>) => Cluster;
export const createClientLogger = (require('kafkajs/src/loggers') as { createLogger: (options: object) => object })
  .createLogger;
export const requests = (
  require('kafkajs/src/protocol/requests') as {
    requests: { Produce: { protocol: (v: { version: number }) => (args: object) => { response: object } } };
  }
).requests;
export const errorOfCode = (
  require('kafkajs/src/protocol/error') as { createErrorFromCode: (code: number) => Error & { type: string } }
).createErrorFromCode;
