import { systemClock } from '@entente/observability';
import { Pause, within } from './deadline.ts';
import { faultOf, KafkaFault } from './faults.ts';
import type { EventPublisher, Log, OutRecord, PublishResult } from './port.ts';
import { allFailed, byTopic, verdict, type SentPartition, type TopicMessages } from './publish-verdict.ts';

/** What the publisher needs of a producer: one connection, one producer id, no retries of its own. */
export interface Producer {
  connect(): Promise<void>;
  sendBatch(batch: { acks: -1; timeout: number; topicMessages: TopicMessages[] }): Promise<SentPartition[]>;
  /** Cuts it off at once, whatever is under way. */
  destroy(): void;
}

export interface PublisherSettings {
  publishTimeoutMs: number;
  /** How long a publish keeps trying to connect before it fails, so that callers need no pause of their own. */
  connectBudgetMs: number;
}

const betweenConnectsMs = 50;
/** One try to connect ends after the first of these; the limit doubles with each try that reached it, up to the last. */
const connectLimitMs = { first: 1000, last: 8000 };
const closeMs = 2000;

/** A producer being connected, whose promise never rejects. */
interface Opening {
  readonly done: Promise<Producer | Error>;
  cancel(): void;
}

/**
 * Exactly one send in flight, and a new producer (a new producer id) after any failed or incomplete one: kafkajs loses records
 * when an idempotent producer lives on past a lost answer (kafka-on-node.md §1.3, defect 2).
 */
export class SingleFlightPublisher implements EventPublisher {
  private readonly newProducer: () => Producer;
  private readonly explain: (line: SentPartition) => Error;
  private readonly log: Log;
  private readonly settings: PublisherSettings;
  private readonly pause = new Pause();
  private producer: Producer | undefined;
  private opening: Opening | undefined;
  private connectMs = connectLimitMs.first;
  private turn: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(
    newProducer: () => Producer,
    explain: (line: SentPartition) => Error,
    log: Log,
    settings: PublisherSettings,
  ) {
    this.newProducer = newProducer;
    this.explain = explain;
    this.log = log;
    this.settings = settings;
  }

  publish(records: readonly OutRecord[]): Promise<PublishResult[]> {
    if (records.length === 0) return Promise.resolve([]);
    return this.inTurn(() => this.send(records));
  }

  reset(): Promise<void> {
    return this.inTurn(() => {
      this.opening?.cancel();
      this.opening = undefined;
      this.retire();
      return Promise.resolve();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.pause.wake();
    try {
      await within(closeMs, 'close publisher', this.turn);
    } catch (err) {
      this.log.warn({ err }, 'kafka publisher closed with a send under way');
    }
    this.opening?.cancel();
    this.retire();
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(act);
    // The next in turn does not mind how this one ended; its caller is told.
    this.turn = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }

  private async send(records: readonly OutRecord[]): Promise<PublishResult[]> {
    const topics = byTopic(records);
    const asked = `publish to ${topics.map((t) => t.topic).join(', ')}`;
    const endsAt = systemClock.monotonic() + this.settings.publishTimeoutMs;
    const leftMs = () => endsAt - systemClock.monotonic();
    try {
      const producer = await this.connected(Math.min(leftMs(), this.settings.connectBudgetMs));
      const timeout = Math.max(1, Math.floor(leftMs()));
      const sending = producer.sendBatch({ acks: -1, timeout, topicMessages: topics });
      const results = verdict(records, await within(leftMs(), asked, sending), this.explain);
      if (results.some((r) => !r.ok)) this.retire();
      return results;
    } catch (error) {
      this.retire();
      return allFailed(records, faultOf(error, asked));
    }
  }

  private async connected(budgetMs: number): Promise<Producer> {
    const endsAt = systemClock.monotonic() + budgetMs;
    let last: Error | undefined;
    for (;;) {
      if (this.closed) throw new KafkaFault('closed', 'the publisher is closed');
      if (this.producer) return this.producer;
      const leftMs = endsAt - systemClock.monotonic();
      // The reason of the try before says more than "no time left".
      if (last !== undefined && leftMs <= 0) throw last;
      // Not cut off with this call: where connecting takes longer than one publish may, each would begin it anew, for ever.
      this.opening ??= this.open();
      const opened = await within(leftMs, 'connect publisher', this.opening.done).catch((error: unknown) => {
        throw last ?? error;
      });
      this.opening = undefined;
      if (opened instanceof Error) {
        last = opened;
        await this.pause.sleep(betweenConnectsMs);
      } else this.producer = opened;
    }
  }

  private open(): Opening {
    const producer = this.newProducer();
    const limitMs = this.connectMs;
    const connecting = within(limitMs, 'connect publisher', producer.connect());
    return {
      done: connecting.then(
        () => {
          this.connectMs = connectLimitMs.first;
          return producer;
        },
        (error: unknown) => {
          producer.destroy();
          const fault = faultOf(error, 'connect publisher');
          if (fault.code === 'timeout') this.connectMs = Math.min(limitMs * 2, connectLimitMs.last);
          return fault;
        },
      ),
      cancel: () => producer.destroy(),
    };
  }

  private retire(): void {
    this.producer?.destroy();
    this.producer = undefined;
  }
}
