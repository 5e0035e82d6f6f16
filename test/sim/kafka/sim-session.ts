import { KafkaFault, tpKey, type OffsetRange, type TP } from '@entente/kafka';
import type { SessionEvents } from '../../../libs/kafka/src/kafkajs/session.ts';
import type { Network } from '../engine/network.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimCluster, SimPartition } from './sim-cluster.ts';

/** Records of one partition in one fetch answer. */
const fetchRecords = 200;
/** A fetch that brought fewer, over all partitions, may be followed by a pause, as in kafkajs/session.ts. */
const fewRecords = 200;
/** A consumer whose broker does not answer gives up after this long and is built anew, milliseconds. */
const fetchTimeoutMs = 3_000;

/** One assigned partition; replaced by another object at each seek, so that what was asked before is known by it. */
interface Cursor {
  readonly name: string;
  readonly tp: TP;
  readonly at: SimPartition;
  next: number;
  paused: boolean;
}

export interface SimSessionParts {
  readonly cluster: SimCluster;
  readonly network: Network;
  readonly host: string;
  readonly topics: readonly string[];
  readonly fromBeginning: boolean;
  /** How long joining the group takes. */
  readonly joinMs: number;
  /** Pause after a fetch that brought little. */
  readonly gatherMs: number;
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
  /** A fetch is on its way, at the broker, or its answer is being handed on: one at a time, for all partitions. */
  #fetching = false;
  /** The fetch stands at the broker until there is something to tell. */
  #waiting = false;
  /** When the newest fetch reaches the broker. */
  #arrivesAt = 0;
  /** Counts joins: a fetch of an earlier one tells nothing. */
  #joins = 0;
  #end!: (reason: Error) => void;
  #over = false;
  #joined = false;

  constructor(parts: SimSessionParts) {
    this.#parts = parts;
    this.#owner = parts.cluster.scheduler.current;
    this.#life = this.#owner?.life ?? 0;
    this.ended = new Promise((resolve) => {
      this.#end = (reason) => {
        this.abandon();
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
    this.#forget();
    for (const tp of tps) {
      const at = cluster.partition(tp.topic, tp.partition);
      const name = tpKey(tp);
      this.#cursors.set(name, { name, tp, at, next: fromBeginning ? at.low : at.high, paused: false });
      at.waiting.add(this.#wake);
    }
    this.#joins += 1;
    this.#fetching = false;
    await events.afterJoin(tps);
    this.#joined = true;
    this.#fetch();
  }

  seek(tp: TP, offset: bigint): void {
    const cursor = this.#cursors.get(tpKey(tp));
    if (cursor === undefined) return;
    this.#cursors.set(tpKey(tp), { ...cursor, next: Number(offset) });
    this.#fetch();
  }

  pause(tp: TP): void {
    const cursor = this.#cursors.get(tpKey(tp));
    if (cursor !== undefined) cursor.paused = true;
  }

  resume(tp: TP): void {
    const cursor = this.#cursors.get(tpKey(tp));
    if (cursor === undefined) return;
    cursor.paused = false;
    this.#fetch();
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
    this.#forget();
  }

  leave(): Promise<void> {
    this.#end(new KafkaFault('closed', 'left'));
    return Promise.resolve();
  }

  /** As the client does: one request for all partitions, the next when all of the answer was handed on. */
  #fetch(): void {
    if (this.#over || !this.#joined || (this.#fetching && !this.#waiting)) return;
    const { network, host } = this.#parts;
    this.#fetching = true;
    this.#arrivesAt = network.arrival(host, 'kafka');
    // Where nothing is to be told yet, an append will find the request there, or on its way.
    this.#waiting = true;
    if (this.#isOwed()) this.#wake();
  }

  /** The broker holds something for this consumer, now or once a leader answers again. */
  #isOwed(): boolean {
    const { now } = this.#parts.cluster.scheduler;
    for (const { at, next, paused } of this.#cursors.values())
      if (!paused && (next !== at.high || at.hangsUntil > now || at.leaderlessUntil > now)) return true;
    return false;
  }

  /** Something was appended, or asked anew: the fetch that stands at the broker is answered after this instant's other appends. */
  readonly #wake = (): void => {
    if (!this.#waiting) return;
    this.#waiting = false;
    const join = this.#joins;
    this.#parts.cluster.scheduler.atSilently(this.#arrivesAt, () => this.#atBroker(join));
  };

  /** A long poll: answered when there is something to tell. Partitions whose leader hangs or is missing are left out. */
  #atBroker(join: number): void {
    if (!this.alive) return this.#forget();
    if (join !== this.#joins) return;
    const { now } = this.#parts.cluster.scheduler;
    const told: (() => Promise<void>)[] = [];
    let records = 0;
    let heldUntil = Infinity;
    for (const cursor of this.#cursors.values()) {
      const { at, next, paused } = cursor;
      if (paused) continue;
      const held = Math.max(at.hangsUntil, at.leaderlessUntil);
      if (held > now) heldUntil = Math.min(heldUntil, held);
      else if (next !== at.high) {
        told.push(this.#answerFor(cursor));
        records += Math.max(0, at.high - next);
      }
    }
    if (told.length > 0) return this.#send(join, told, records < fewRecords ? this.#parts.gatherMs : 0);
    this.#waiting = true;
    if (heldUntil < Infinity)
      this.#parts.cluster.scheduler.atSilently(heldUntil + 1, () => join === this.#joins && this.#wake());
  }

  #answerFor(cursor: Cursor): () => Promise<void> {
    const { at, next } = cursor;
    const { range, high } = at;
    if (next < at.low || next > high) return () => this.#outOfRange(cursor, range);
    const records = at.slice(next, Math.min(high, next + fetchRecords));
    return () => this.#hand(cursor, records, high);
  }

  #send(join: number, told: readonly (() => Promise<void>)[], restMs: number): void {
    const { cluster, network, host } = this.#parts;
    const { scheduler } = cluster;
    const sentAt = scheduler.now;
    scheduler.at(
      network.arrival('kafka', host),
      () => {
        if (!this.alive || join !== this.#joins) return;
        if (scheduler.now - sentAt > fetchTimeoutMs) return this.fail(new KafkaFault('timeout', 'fetch: no answer'));
        this.lastFetch = performance.now();
        const again = (): void => {
          if (join !== this.#joins) return;
          this.#fetching = false;
          this.#fetch();
        };
        Promise.all(told.map((hand) => hand()))
          .then(() => (restMs > 0 ? void scheduler.after(restMs, again, this.#owner) : again()))
          .catch((error: unknown) => this.fail(error instanceof Error ? error : new Error('fetch failed')));
      },
      this.#owner,
    );
  }

  /** What a fetch brings for a partition that was sought anew meanwhile belongs to the place before. */
  #isCurrent(cursor: Cursor): boolean {
    return this.#cursors.get(cursor.name) === cursor;
  }

  async #hand(cursor: Cursor, records: ReturnType<SimPartition['slice']>, high: number): Promise<void> {
    if (!this.#isCurrent(cursor)) return;
    const from = cursor.next;
    cursor.next += records.length;
    const end = BigInt(cursor.next);
    const fetched = { from: BigInt(from), end, records, highWatermark: BigInt(high) };
    const isTaken = await this.#parts.events.onBatch(cursor.tp, fetched);
    if (!isTaken) cursor.next = from;
  }

  async #outOfRange(cursor: Cursor, range: OffsetRange): Promise<void> {
    if (!this.#isCurrent(cursor)) return;
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

  #forget(): void {
    for (const { at } of this.#cursors.values()) at.waiting.delete(this.#wake);
    this.#cursors.clear();
    this.#waiting = false;
  }
}
