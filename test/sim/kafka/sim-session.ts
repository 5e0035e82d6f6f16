import { KafkaFault, tpKey, type OffsetRange, type TP } from '@entente/kafka';
import type { SessionEvents } from '../../../libs/kafka/src/kafkajs/session.ts';
import type { Network } from '../engine/network.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimCluster, SimPartition } from './sim-cluster.ts';

/** Records of one fetch answer. */
const fetchRecords = 200;
/** A consumer whose broker does not answer gives up after this long and is built anew, milliseconds. */
const fetchTimeoutMs = 3_000;

interface Cursor {
  readonly tp: TP;
  readonly at: SimPartition;
  next: number;
  paused: boolean;
  fetching: boolean;
  /** The log whose offsets it counts. */
  epoch: number;
}

export interface SimSessionParts {
  readonly cluster: SimCluster;
  readonly network: Network;
  readonly host: string;
  readonly topics: readonly string[];
  readonly fromBeginning: boolean;
  /** How long joining the group takes. */
  readonly joinMs: number;
  readonly events: SessionEvents;
}

/** One life of a consumer, as the shipped source drives it: joins, is told its partitions, fetches, ends at serious trouble. */
export class SimSession {
  readonly ended: Promise<Error>;
  readonly memberId = null;
  lastFetch: number | null = null;
  lastHeartbeat: number | null = null;
  readonly #parts: SimSessionParts;
  readonly #owner: SimProcess | null;
  readonly #life: number;
  readonly #cursors = new Map<string, Cursor>();
  readonly #wakers = new Map<string, () => void>();
  #end!: (reason: Error) => void;
  #over = false;
  #joined = false;

  constructor(parts: SimSessionParts) {
    this.#parts = parts;
    this.#owner = parts.cluster.scheduler.current;
    this.#life = this.#owner?.life ?? 0;
    this.ended = new Promise((resolve) => {
      this.#end = (reason) => {
        this.#over = true;
        this.#forgetWakers();
        resolve(reason);
      };
    });
  }

  get alive(): boolean {
    return !this.#over && (this.#owner === null || this.#owner.life === this.#life);
  }

  async start(): Promise<void> {
    const { cluster, joinMs } = this.#parts;
    await new Promise<void>((resolve) => cluster.scheduler.after(joinMs, resolve, this.#owner));
    await this.#roundTrip();
    if (this.#over) throw new KafkaFault('closed', 'the session is over');
    await this.#join();
  }

  /** Members came or went: everybody joins again. */
  rebalance(): void {
    this.#soon(() => {
      if (!this.#joined) return;
      this.#joined = false;
      this.#forgetWakers();
      this.#parts.events
        .beforeJoin()
        .then(() => this.#roundTrip())
        .then(() => (this.#over ? undefined : this.#join()))
        .catch((error: unknown) => this.fail(error instanceof Error ? error : new Error('rebalance failed')));
    });
  }

  /** The connection breaks: the shipped source builds a new session. */
  crash(): void {
    this.#soon(() => this.fail(new KafkaFault('unavailable', 'connection reset')));
  }

  #soon(act: () => void): void {
    if (this.alive) this.#parts.cluster.scheduler.after(0, act, this.#owner);
  }

  async #join(): Promise<void> {
    const { cluster, topics, fromBeginning, events } = this.#parts;
    const tps = topics.flatMap((topic) => cluster.partitionsOf(topic).map(({ partition }) => ({ topic, partition })));
    this.#cursors.clear();
    for (const tp of tps) {
      const at = cluster.partition(tp.topic, tp.partition);
      const next = fromBeginning ? at.low : at.high;
      this.#cursors.set(tpKey(tp), { tp, at, next, paused: false, fetching: false, epoch: at.epoch });
    }
    await events.afterJoin(tps);
    this.#joined = true;
    for (const cursor of this.#cursors.values()) this.#fetch(cursor);
  }

  seek(tp: TP, offset: bigint): void {
    const cursor = this.#cursors.get(tpKey(tp));
    if (cursor === undefined) return;
    cursor.next = Number(offset);
    cursor.epoch = cursor.at.epoch;
    // What a fetch under way brings belongs to the place before.
    this.#cursors.set(tpKey(tp), { ...cursor, fetching: false });
    this.#wakers.get(tpKey(tp))?.();
    if (this.#joined) this.#fetch(this.#cursors.get(tpKey(tp)) ?? cursor);
  }

  pause(tp: TP): void {
    const cursor = this.#cursors.get(tpKey(tp));
    if (cursor !== undefined) cursor.paused = true;
  }

  resume(tp: TP): void {
    const cursor = this.#cursors.get(tpKey(tp));
    if (cursor === undefined) return;
    cursor.paused = false;
    if (this.#joined) this.#fetch(cursor);
  }

  async range(tps: TP[]): Promise<Map<string, OffsetRange>> {
    await this.#roundTrip();
    return new Map(tps.map((tp) => [tpKey(tp), this.#parts.cluster.partition(tp.topic, tp.partition).range]));
  }

  commit(): Promise<void> {
    return this.#roundTrip();
  }

  keepAlive(): Promise<void> {
    return Promise.resolve();
  }

  fail(reason: Error): void {
    this.#end(reason);
  }

  abandon(): void {
    this.#over = true;
    this.#forgetWakers();
  }

  leave(): Promise<void> {
    this.#end(new KafkaFault('closed', 'left'));
    return Promise.resolve();
  }

  #fetch(cursor: Cursor): void {
    if (cursor.fetching || cursor.paused || this.#over) return;
    cursor.fetching = true;
    const { cluster, network, host } = this.#parts;
    const { scheduler } = cluster;
    scheduler.at(network.arrival(host, 'kafka'), () => this.#atBroker(cursor), null);
  }

  /** A long poll: answered when there is something to tell. */
  #atBroker(cursor: Cursor): void {
    if (!this.alive || this.#cursors.get(tpKey(cursor.tp)) !== cursor) return;
    const { at, next } = cursor;
    const { scheduler } = this.#parts.cluster;
    const held = Math.max(at.hangsUntil, at.leaderlessUntil);
    if (held > scheduler.now) return void scheduler.at(held + 1, () => this.#atBroker(cursor), null);
    if (next === at.high) return this.#wait(cursor);
    const { range } = at;
    if (next < at.low || next > at.high) return this.#send(cursor, () => this.#outOfRange(cursor, range));
    const records = at.slice(next, Math.min(at.high, next + fetchRecords));
    const { high } = at;
    this.#send(cursor, () => this.#hand(cursor, records, high));
  }

  #wait(cursor: Cursor): void {
    const wake = (): void => {
      cursor.at.waiting.delete(wake);
      this.#wakers.delete(tpKey(cursor.tp));
      this.#atBroker(cursor);
    };
    cursor.at.waiting.add(wake);
    this.#wakers.set(tpKey(cursor.tp), wake);
  }

  #send(cursor: Cursor, act: () => Promise<void>): void {
    const { cluster, network, host } = this.#parts;
    const { scheduler } = cluster;
    const sentAt = scheduler.now;
    scheduler.at(
      network.arrival('kafka', host),
      () => {
        if (!this.alive || this.#cursors.get(tpKey(cursor.tp)) !== cursor) return;
        if (scheduler.now - sentAt > fetchTimeoutMs) return this.fail(new KafkaFault('timeout', 'fetch: no answer'));
        this.lastFetch = performance.now();
        act()
          .then(() => {
            cursor.fetching = false;
            if (this.#cursors.get(tpKey(cursor.tp)) === cursor) this.#fetch(cursor);
          })
          .catch((error: unknown) => this.fail(error instanceof Error ? error : new Error('fetch failed')));
      },
      this.#owner,
    );
  }

  async #hand(cursor: Cursor, records: ReturnType<SimPartition['slice']>, high: number): Promise<void> {
    cursor.next += records.length;
    await this.#parts.events.onBatch(cursor.tp, records, BigInt(high));
  }

  async #outOfRange(cursor: Cursor, range: OffsetRange): Promise<void> {
    await this.#parts.events.outOfRange(cursor.tp, BigInt(cursor.next), range);
  }

  #roundTrip(): Promise<void> {
    const { cluster, network, host } = this.#parts;
    const { scheduler } = cluster;
    return new Promise((resolve) => {
      scheduler.at(
        network.arrival(host, 'kafka'),
        () =>
          scheduler.at(
            network.arrival('kafka', host),
            resolve,
            this.#owner === null || this.#owner.life === this.#life ? this.#owner : null,
          ),
        null,
      );
    });
  }

  #forgetWakers(): void {
    for (const [key, wake] of this.#wakers) this.#cursors.get(key)?.at.waiting.delete(wake);
    this.#wakers.clear();
  }
}
