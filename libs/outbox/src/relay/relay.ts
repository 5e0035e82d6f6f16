import type { EventPublisher, Kafka } from '@entente/kafka';
import { noTracing, type Clock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import type { Client, Pool } from '@entente/postgres';
import { randomInt } from 'node:crypto';
import { partitionCount } from '@entente/contracts';
import { lanes, type Lane } from '../append.ts';
import { BeatBook } from './beat-book.ts';
import { BeatListener } from './beat-listener.ts';
import { pause } from './bell.ts';
import { listenForHints } from './hint-listener.ts';
import { OutboxMetrics } from './outbox-metrics.ts';
import type { LedgerPort } from './ports.ts';
import { RelaySession } from './relay-session.ts';
import { backoffMs, relayTiming, type RelayTiming } from './timing.ts';

export interface RelayOptions {
  /** Names the CloudEvents source, `urn:entente:<service>`. */
  readonly service: string;
  /** A connected client whose search path is the service's schema; asked for three: locks, normal reads, hints. */
  readonly connectDedicated: () => Promise<Client>;
  /** Only for the gauges. */
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing;
  /** With it the relay makes watermarks (REL-4) and checks the logs against the ledger (RST-4). */
  readonly watermarks?: LedgerPort;
  readonly timing?: Partial<RelayTiming>;
}

export interface RelayState {
  /** It has a lock connection. */
  readonly connected: boolean;
  /** Shards it publishes. */
  readonly owned: readonly number[];
  /** Shards whose logs are not yet compared with the ledger, and those that contradict it (RST-4). */
  readonly unchecked: readonly number[];
  readonly lost: readonly number[];
  /** Partitions that failed and are probed alone (REL-3). */
  readonly isolated: { readonly urgent: readonly number[]; readonly normal: readonly number[] };
  /** Full passes that ended in watermarks, and how long ago the last one did. */
  readonly passes: number;
  readonly msSincePass: number | null;
}

/** Publishes a service's outbox to Kafka: REL-1 to REL-5. Any number of instances share the shards. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #timing: RelayTiming;
  readonly #metrics: OutboxMetrics;
  readonly #stop = new AbortController();
  readonly #beats = new BeatBook();
  readonly #publishers: Record<Lane, EventPublisher>;
  #listener: BeatListener | undefined;
  #session: RelaySession | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #passes = 0;
  #passedAt: number | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#timing = { ...relayTiming, ...options.timing };
    this.#metrics = new OutboxMetrics(options.metrics);
    this.#publishers = { urgent: this.#newPublisher('urgent'), normal: this.#newPublisher('normal') };
  }

  /** Returns at once; connects, takes shards and publishes in the background, for as long as it takes. */
  start(): void {
    const { watermarks, kafka, clock, log, pool, connectDedicated } = this.#options;
    const { signal } = this.#stop;
    const timing = this.#timing;
    this.#metrics.collectFrom(pool, log);
    if (watermarks) this.#listener = new BeatListener({ kafka, book: this.#beats, clock, log, timing });
    const onHint = (hinted: readonly Lane[]) => this.wake(hinted);
    this.#running = Promise.all([
      this.#listener?.start(signal),
      listenForHints({ connectDedicated, onHint, log, timing }, signal),
      this.#sessions(signal),
    ]);
  }

  /** Rows were committed: look now. */
  wake(hinted: readonly Lane[] = lanes): void {
    this.#session?.wake(hinted);
  }

  /** Whether there is no row that another instance would publish. */
  ownsAll(): boolean {
    return this.#session?.shards.numbers().length === partitionCount;
  }

  /** Ends what is under way, frees the shards, leaves. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#listener?.stop(), this.#running]);
    await Promise.all([this.#publishers.urgent.close(), this.#publishers.normal.close()]);
  }

  state(): RelayState {
    const session = this.#session;
    const numbers = (status: 'sound' | 'unchecked' | 'lost') =>
      (session?.shards.inStatus(status) ?? []).map(({ shard }) => shard).sort((a, b) => a - b);
    return {
      connected: session !== undefined,
      owned: numbers('sound'),
      unchecked: numbers('unchecked'),
      lost: numbers('lost'),
      isolated: session?.isolated() ?? { urgent: [], normal: [] },
      passes: this.#passes,
      msSincePass: this.#passedAt === undefined ? null : this.#options.clock.monotonic() - this.#passedAt,
    };
  }

  async #sessions(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const session = await RelaySession.open(this.#sessionOptions());
        this.#session = session;
        attempt = 0;
        await session.run(signal);
      } catch (err) {
        log.warn({ err }, 'relay lost its database session');
      } finally {
        this.#session = undefined;
      }
      await pause(backoffMs(attempt, this.#timing), signal);
    }
  }

  #sessionOptions() {
    const { service, connectDedicated, kafka, clock, log, watermarks, tracing = noTracing } = this.#options;
    return {
      ...{ service, connectDedicated, kafka, clock, log, tracing, publishers: this.#publishers },
      newPublisher: (lane: Lane) => this.#newPublisher(lane),
      metrics: this.#metrics,
      timing: this.#timing,
      watermarks: watermarks && { ledger: watermarks, beats: this.#beats },
      offset: randomInt(partitionCount),
      onPass: () => {
        this.#passes += 1;
        this.#passedAt = this.#options.clock.monotonic();
      },
    };
  }

  #newPublisher(lane: Lane): EventPublisher {
    const { urgentPublishMs, normalPublishMs } = this.#timing;
    return this.#options.kafka.publisher({ publishTimeoutMs: lane === 'urgent' ? urgentPublishMs : normalPublishMs });
  }
}
