import { topics } from '@entente/contracts';
import type { EventPublisher, Kafka } from '@entente/kafka';
import type { Clock, Logger, Tracing } from '@entente/observability';
import type { Client } from '@entente/postgres';
import { lanes, type Lane } from '../append.ts';
import type { BeatBook } from './beat-book.ts';
import { LogWatch } from './log-watch.ts';
import { NormalLane } from './normal-lane.ts';
import type { OutboxMetrics } from './outbox-metrics.ts';
import { OwnedShards } from './owned-shards.ts';
import { OwnershipLoop } from './ownership-loop.ts';
import { Pace } from './pace.ts';
import type { LedgerPort } from './ports.ts';
import { readerSession } from './relay-sql.ts';
import { RelayStore } from './relay-store.ts';
import type { SessionParts } from './session-parts.ts';
import { StatementQueue } from './statement-queue.ts';
import type { RelayTiming } from './timing.ts';
import { UrgentLane } from './urgent-lane.ts';
import { WatermarkPass } from './watermark-pass.ts';

export interface SessionOptions {
  readonly service: string;
  readonly connectDedicated: () => Promise<Client>;
  readonly kafka: Kafka;
  readonly publishers: Readonly<Record<Lane, EventPublisher>>;
  readonly newPublisher: (lane: Lane) => EventPublisher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OutboxMetrics;
  readonly tracing: Tracing;
  readonly timing: RelayTiming;
  readonly watermarks: { readonly ledger: LedgerPort; readonly beats: BeatBook } | undefined;
  readonly offset: number;
  readonly onPass: () => void;
}

/** One lock connection, from its first statement to its end, and all the work that rests on its locks (REL-2). */
export class RelaySession {
  readonly shards = new OwnedShards();
  readonly #options: SessionOptions;
  readonly #end = new AbortController();
  readonly #lock: StatementQueue;
  readonly #reader: StatementQueue;
  readonly #store: RelayStore;
  #urgent: UrgentLane | undefined;
  #normal: NormalLane | undefined;
  #fault: Error | undefined;

  private constructor(options: SessionOptions, lock: StatementQueue, reader: StatementQueue, store: RelayStore) {
    this.#options = options;
    this.#lock = lock;
    this.#reader = reader;
    this.#store = store;
  }

  static async open(options: SessionOptions): Promise<RelaySession> {
    const { connectDedicated, watermarks, timing } = options;
    const opened: StatementQueue[] = [];
    const connect = async (silenceMs: number) => {
      const queue = new StatementQueue(await connectDedicated(), silenceMs);
      opened.push(queue);
      return queue;
    };
    try {
      const lock = await connect(timing.silenceMs);
      const store = await RelayStore.open(lock, topics.revocations);
      await store.exclusively(async (client) => watermarks?.ledger.onConnect?.(client));
      const reader = await connect(timing.readerSilenceMs);
      await reader.run('normal', (client) => client.query(readerSession));
      return new RelaySession(options, lock, reader, store);
    } catch (error) {
      for (const queue of opened) queue.cut();
      throw error;
    }
  }

  /** Works until the signal aborts, or rejects with what ended the session. */
  async run(stopping: AbortSignal): Promise<void> {
    const stop = () => this.#end.abort();
    stopping.addEventListener('abort', stop, { once: true });
    if (stopping.aborted) stop();
    for (const { client } of [this.#lock, this.#reader]) {
      client.on('error', (error) => this.#fail(error));
      client.on('end', () => this.#fail(new Error('the relay’s database connection ended')));
    }
    const busy = this.#keepBusy();
    try {
      await this.#work();
    } finally {
      clearInterval(busy);
      stopping.removeEventListener('abort', stop);
      await this.#close();
    }
    if (this.#fault !== undefined) throw this.#fault;
  }

  wake(hinted: readonly Lane[]): void {
    if (hinted.includes('urgent')) this.#urgent?.bell.ring();
    if (hinted.includes('normal')) this.#normal?.bell.ring();
  }

  isolated(): { urgent: number[]; normal: number[] } {
    return { urgent: this.#urgent?.probes.shards() ?? [], normal: this.#normal?.probes.shards() ?? [] };
  }

  async #work(): Promise<void> {
    const parts = this.#parts();
    const { watermarks, offset } = this.#options;
    const normal = new NormalLane(parts, this.#reader);
    const newPass =
      watermarks &&
      ((lane: UrgentLane) =>
        new WatermarkPass({
          ...parts,
          ...watermarks,
          drain: (...asked) => lane.drain(...asked),
          noteAcknowledged: (acknowledged) => lane.publisher.noteAcknowledged(acknowledged),
        }));
    const urgent = new UrgentLane(parts, newPass);
    const wake = () => this.wake(lanes);
    const logWatch = watermarks && new LogWatch({ ...parts, ledger: watermarks.ledger, onSound: wake });
    const onHandedOver = (shard: number) => normal.forget(shard);
    const ownership = new OwnershipLoop({ ...parts, logWatch, offset, onTaken: wake, onHandedOver });
    [this.#urgent, this.#normal] = [urgent, normal];
    await this.#store.enterCensus();
    const working = [ownership, ...(logWatch ? [logWatch] : []), urgent, normal];
    const loops = working.map((loop) => loop.run().catch(parts.onFault));
    // A send under way at the end of a session may take seconds; the next session need not wait for it, stop does.
    const ended = Promise.all(loops);
    await Promise.race([ended, this.#faulted()]);
    if (this.#fault === undefined) await ended;
  }

  #parts(): SessionParts {
    const { service, kafka, publishers, newPublisher, clock, log, metrics, tracing, timing, onPass } = this.#options;
    const onFault = (error: unknown) => this.#fail(error);
    const own = { store: this.#store, shards: this.shards, pace: new Pace(timing), signal: this.#end.signal, onFault };
    return { service, kafka, publishers, newPublisher, clock, log, metrics, tracing, timing, onPass, ...own };
  }

  #fail(error: unknown): void {
    if (this.#end.signal.aborted) return;
    this.#fault = error instanceof Error ? error : new Error('the relay’s session failed', { cause: error });
    this.#end.abort();
  }

  #faulted(): Promise<void> {
    const { signal } = this.#end;
    return new Promise((resolve) => {
      const check = () => this.#fault !== undefined && resolve();
      signal.addEventListener('abort', check, { once: true });
      if (signal.aborted) check();
    });
  }

  /** REL-2: whatever the loops await. */
  #keepBusy(): NodeJS.Timeout {
    return setInterval(() => {
      this.#store.keepBusy().catch((error: unknown) => this.#fail(error));
    }, this.#options.timing.keepBusyMs);
  }

  async #close(): Promise<void> {
    const queues = [this.#lock, this.#reader];
    if (this.#fault === undefined) await Promise.all(queues.map(({ client }) => client.end()));
    else for (const queue of queues) queue.cut();
  }
}
