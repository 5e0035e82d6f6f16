import { systemClock } from '@entente/observability';
import { isConnectionTrouble } from '../faults.ts';
import {
  brokerClass,
  consumerGroupClass,
  encoderClass,
  requestQueueClass,
  requests,
  runnerClass,
  type Batch,
  type ConsumerGroup,
  type GroupHooks,
  type ProduceResponse,
  type RequestQueue,
} from './internals.ts';

/** Pause of a queue that is full but not throttled, in ms; kafkajs's own CHECK_PENDING_REQUESTS_INTERVAL. */
const checkPendingMs = 10;

/** What kafkajs asks room for where it is told no size, and what we give: most of what it writes is a header of some 30 bytes. */
const roomBytes = { asked: 511, given: 64 };

/** Bytes of a 32-bit number, seven bits in each. */
const longestVarInt = 5;

const hooksOf = (group: ConsumerGroup): GroupHooks | undefined => group.assigners.find((a) => a.hooks)?.hooks;

/**
 * kafkajs begins every record and every one of its headers with 512 bytes filled with zeros, and copies them: a quarter of a
 * relay's processor time went into that, and a sixth into collecting it (`npm run bench -- B2`).
 */
export function encodeInLittleRoom(): void {
  const { nextPowerOfTwo } = encoderClass;
  encoderClass.nextPowerOfTwo = (size) => (size === roomBytes.asked ? roomBytes.given : nextPowerOfTwo(size));
  encoderClass.prototype.ensureAvailable = function (length) {
    const needed = this.offset + length;
    if (needed <= this.buf.length) return;
    // Only what was written is ever read of it.
    const grown = Buffer.allocUnsafe(nextPowerOfTwo(needed));
    this.buf.copy(grown, 0, 0, this.offset);
    this.buf = grown;
  };
  // Every length is one; kafkajs makes an array and a buffer for each.
  encoderClass.prototype.writeUVarInt = function (value) {
    this.ensureAvailable(longestVarInt);
    let rest = value;
    for (; (rest & ~0x7f) !== 0; rest >>>= 7) this.buf[this.offset++] = (rest & 0x7f) | 0x80;
    this.buf[this.offset++] = rest;
    return this;
  };
}

/** How long a broker last asked a connection to wait, milliseconds. */
const askedToWaitMs = new WeakMap<RequestQueue, number>();

/** kafkajs re-arms a ~1 ms timer for ever on an idle connection (~6 % of a core each; kafkajs#1704, #1556, #1751). */
function armTimerOnlyForPendingRequests(): void {
  const { maybeThrottle } = requestQueueClass.prototype;
  requestQueueClass.prototype.maybeThrottle = function (ms) {
    maybeThrottle.call(this, ms);
    askedToWaitMs.set(this, this.throttledUntil - systemClock.now());
  };
  requestQueueClass.prototype.scheduleCheckPendingRequests = function () {
    if (this.throttleCheckTimeoutId) return;
    // kafkajs counts the throttle's end on the wall clock: set back, it is no further away than the broker asked for.
    const longestMs = askedToWaitMs.get(this) ?? 0;
    this.throttledUntil = Math.min(this.throttledUntil, systemClock.now() + longestMs);
    let waitMs = this.throttledUntil - systemClock.now();
    if (waitMs <= 0) {
      if (this.pending.length === 0) return;
      waitMs = checkPendingMs;
    }
    this.throttleCheckTimeoutId = setTimeout(() => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    }, waitMs);
  };
}

/**
 * A produce answers for every partition it held, whatever became of the others and of the other brokers' requests: kafkajs
 * throws the first error code away with all successes, retries inside on the same producer id (the loss of kafkajs#1303), and
 * rolls sequence numbers back after a lost answer (the loss of kafkajs#1005). Our publisher reads the codes and starts anew.
 */
function answerForEveryPartition(): void {
  const original = requests.Produce.protocol;
  requests.Produce.protocol = (version) => (args) => {
    const { response, ...rest } = original(version)(args);
    return { ...rest, response: { ...response, parse: (data: unknown) => Promise.resolve(data) } };
  };
  const produce = brokerClass.prototype.produce;
  brokerClass.prototype.produce = async function (request): Promise<ProduceResponse> {
    try {
      return await produce.call(this, request);
    } catch (error) {
      const unanswered = { errorCode: -1, baseOffset: '-1', logAppendTime: '-1', error };
      const topics = request.topicData.map(({ topic, partitions }) => ({
        topicName: topic,
        partitions: partitions.map(({ partition }) => ({ partition, ...unanswered })),
      }));
      return { topics, throttleTime: 0 };
    }
  };
}

/**
 * kafkajs tells of a join by an event it does not wait for, and then fetches from the committed offset at once. Of one that fails
 * in the middle of a fetch it tells nobody: its loops go on, for a member that has told its reader to stop.
 */
function awaitHooksAroundJoin(): void {
  const join = consumerGroupClass.prototype.joinAndSync;
  consumerGroupClass.prototype.joinAndSync = function () {
    const hooks = hooksOf(this);
    if (!hooks) return join.call(this);
    this.joining ??= (async () => {
      try {
        await hooks.beforeJoin(this);
        await join.call(this);
      } catch (error) {
        hooks.joinFailed(error);
        throw error;
      }
      await hooks.afterJoin(this);
    })().finally(() => {
      this.joining = undefined;
    });
    return this.joining;
  };
}

function nothingToFetch(group: ConsumerGroup, nodeId: string): boolean {
  const active = group.getActiveTopicPartitions();
  if (group.assigned().every(({ topic, partitions }) => partitions.every((p) => active[topic]?.has(p) !== true)))
    return true;
  try {
    return group
      .filterPartitionsByNode(nodeId, group.assigned())
      .every(({ topic, partitions }) => partitions.every((p) => active[topic]?.has(p) !== true));
  } catch {
    // No leader known: kafkajs's own fetch meets the same error and recovers from it.
    return false;
  }
}

/**
 * With everything paused kafkajs sleeps out the whole wait and resume does not wake it. While one of its fetching loops joins the
 * group anew, because its broker leads no longer, the others go on: what they asked for before the join, or between join and
 * seek, would be handed on after it, and what stands before that would never be read.
 */
function fetchInPlace(): void {
  const fetch = consumerGroupClass.prototype.fetch;
  consumerGroupClass.prototype.fetch = async function (nodeId) {
    const hooks = hooksOf(this);
    if (!hooks) return fetch.call(this, nodeId);
    await hooks.gathering(nodeId);
    const { join } = hooks;
    if (join === null || nothingToFetch(this, nodeId)) {
      await hooks.idle(this.maxWaitTime);
      return [];
    }
    hooks.fetching(nodeId);
    let batches: Batch[] = [];
    try {
      batches = await fetch.call(this, nodeId);
    } finally {
      hooks.fetched(nodeId, batches);
    }
    return batches.filter((batch) => hooks.takes(batch, join));
  };
}

/** Lost connections end the session at once instead of using up kafkajs's retries, which never reset. */
function reportTrouble(): void {
  const { recoverFromFetch, recoverFromOffsetOutOfRange, heartbeat } = consumerGroupClass.prototype;
  consumerGroupClass.prototype.recoverFromFetch = async function (error) {
    const hooks = hooksOf(this);
    if (hooks && isConnectionTrouble(error) && (await hooks.connectionTrouble(this, error))) return;
    await recoverFromFetch.call(this, error);
  };
  consumerGroupClass.prototype.recoverFromOffsetOutOfRange = async function (error) {
    const hooks = hooksOf(this);
    if (hooks) await hooks.outOfRange(this, { topic: error.topic, partition: error.partition });
    else await recoverFromOffsetOutOfRange.call(this, error);
  };
  consumerGroupClass.prototype.heartbeat = async function (options) {
    try {
      await heartbeat.call(this, options);
    } catch (error) {
      if (isConnectionTrouble(error)) hooksOf(this)?.heartbeatFailed(error);
      throw error;
    }
  };
}

/**
 * A consumer stopped while its fetching loops are begun anew (a broker has come or gone) stops those of before: the new ones
 * are answered "not running" at once and ask again, for ever, and no timer or socket of the whole process gets a turn any more.
 */
function stopFetchingWhenStopped(): void {
  const fetch = runnerClass.prototype.fetch;
  runnerClass.prototype.fetch = async function (nodeId) {
    if (this.running) return fetch.call(this, nodeId);
    // Not awaited: it resolves when this very loop has ended.
    void this.fetchManager.stop();
    return [];
  };
}

/**
 * kafkajs counts heartbeats and the age of what it knows of the cluster on the wall clock: set back by five minutes, it would
 * be put out of its group for want of heartbeats, and look for no new leader, for as long.
 */
function outliveClockSetBack(): void {
  const { heartbeat, fetch } = consumerGroupClass.prototype;
  consumerGroupClass.prototype.heartbeat = function (options) {
    if (this.lastRequest > systemClock.now()) this.lastRequest = 0;
    return heartbeat.call(this, options);
  };
  consumerGroupClass.prototype.fetch = function (nodeId) {
    const { brokerPool } = this.cluster;
    const { metadataExpireAt, metadataMaxAge } = brokerPool;
    if (metadataExpireAt !== null && metadataExpireAt > systemClock.now() + metadataMaxAge)
      brokerPool.metadataExpireAt = 0;
    return fetch.call(this, nodeId);
  };
}

/** How often kafkajs looks for requests that have no answer in time, milliseconds. */
const lookForLateMs = 100;

/** By the wall clock, a step forward would fail every request under way, and a step back would let a lost one wait for as long. */
function timeRequestsByMonotonicClock(): void {
  const seenAt = new WeakMap<object, number>();
  requestQueueClass.prototype.scheduleRequestTimeoutCheck = function () {
    if (!this.enforceRequestTimeout) return;
    this.destroy();
    this.requestTimeoutIntervalId = setInterval(
      () => {
        const now = systemClock.monotonic();
        for (const request of [...this.inflight.values()]) {
          const since = seenAt.get(request) ?? now;
          seenAt.set(request, since);
          if (now - since > request.requestTimeout) request.timeoutRequest();
        }
        if (!this.isConnected()) this.destroy();
      },
      Math.min(this.requestTimeout, lookForLateMs),
    );
  };
}

let applied = false;

/** Mends kafkajs once per process; called before the first client is made. */
export function patchClient(): void {
  if (applied) return;
  applied = true;
  encodeInLittleRoom();
  armTimerOnlyForPendingRequests();
  timeRequestsByMonotonicClock();
  answerForEveryPartition();
  awaitHooksAroundJoin();
  stopFetchingWhenStopped();
  fetchInPlace();
  reportTrouble();
  outliveClockSetBack();
}
