import { topicSettings } from '@entente/contracts';
import type { InRecord, OutRecord, OffsetRange } from '@entente/kafka';
import type { Random } from '../engine/random.ts';
import type { Scheduler } from '../engine/scheduler.ts';
import { beginningMs } from '../engine/virtual-host.ts';

/** One partition as its leader holds it. */
export class SimPartition {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first record kept. */
  low = 0;
  records: InRecord[] = [];
  /** Grows when the log is lost and made anew. */
  epoch = 0;
  /** The leader answers nothing until then, though it may have heard. */
  hangsUntil = 0;
  /** There is no leader until then. */
  leaderlessUntil = 0;
  /** Consumers whose fetch may wait for a record. */
  readonly waiting = new Set<() => void>();

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get high(): number {
    return this.low + this.records.length;
  }

  get range(): OffsetRange {
    return { low: BigInt(this.low), high: BigInt(this.high) };
  }

  slice(from: number, toExclusive: number): InRecord[] {
    return this.records.slice(Math.max(0, from - this.low), Math.max(0, toExclusive - this.low));
  }
}

/** What the tap hears of the cluster. */
export interface ClusterTap {
  appended(partition: SimPartition, record: InRecord): void;
  logLost(partition: SimPartition): void;
}

/** Every topic of design.md §4 on one cluster, in memory: append order, leaders, retention, loss. */
export class SimCluster {
  readonly scheduler: Scheduler;
  readonly random: Random;
  tap: ClusterTap = { appended: () => {}, logLost: () => {} };
  /** Part of sends whose records are appended and whose answer is lost. */
  lostAckChance = 0;
  readonly #partitions = new Map<string, SimPartition[]>();

  constructor(scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler;
    this.random = random;
    for (const { name, partitions } of topicSettings)
      this.#partitions.set(
        name,
        Array.from({ length: partitions }, (_, partition) => new SimPartition(name, partition)),
      );
  }

  partitionsOf(topic: string): readonly SimPartition[] {
    return this.#partitions.get(topic) ?? [];
  }

  partition(topic: string, number: number): SimPartition {
    const found = this.#partitions.get(topic)?.[number];
    if (found === undefined) throw new Error(`${topic} has no partition ${number}`);
    return found;
  }

  all(): SimPartition[] {
    return [...this.#partitions.values()].flat();
  }

  /** @returns the offset of the first */
  append(partition: SimPartition, records: readonly Omit<OutRecord, 'topic' | 'partition'>[]): number {
    const base = partition.high;
    for (const { key, value, headers } of records) {
      const stored: InRecord = {
        topic: partition.topic,
        partition: partition.partition,
        offset: BigInt(partition.high),
        // LogAppendTime, by a broker whose clock is true.
        timestamp: beginningMs + Math.floor(this.scheduler.now),
        key,
        value,
        headers: (headers ?? {}) as Record<string, string>,
      };
      partition.records.push(stored);
      this.tap.appended(partition, stored);
    }
    this.#wake(partition);
    return base;
  }

  /** Retention: everything below this offset goes. */
  trim(partition: SimPartition, low: number): void {
    const to = Math.min(low, partition.high);
    if (to <= partition.low) return;
    partition.records = partition.records.slice(to - partition.low);
    partition.low = to;
  }

  /** The topic was deleted and made anew: offsets begin again (REL-5, GATE-3). */
  loseLog(partition: SimPartition): void {
    partition.records = [];
    partition.low = 0;
    partition.epoch += 1;
    this.tap.logLost(partition);
    this.#wake(partition);
  }

  #wake(partition: SimPartition): void {
    for (const wake of partition.waiting) wake();
  }
}
