import { BaseRpcContext, Server, type CustomTransportStrategy } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { KafkaFault } from '../faults.ts';
import type { EventSource, InRecord, Log, SourceStart, TP } from '../port.ts';

/** What an @EventPattern handler is given: all records that had gathered for one partition, in order. */
export interface RecordBatch {
  tp: TP;
  records: InRecord[];
  epoch: number;
}

/** The context of a handler; `source` to commit, pause or ask for the state. */
export class KafkaEventContext extends BaseRpcContext<[TP, EventSource]> {
  get tp(): TP {
    return this.args[0];
  }

  get source(): EventSource {
    return this.args[1];
  }
}

export interface KafkaEventServerOptions extends Omit<SourceStart, 'topics' | 'onRecords'> {
  source: EventSource;
  log: Log;
  /** Budget of close(), ms. Default 5000. */
  drainMs?: number;
  /** Default: the patterns that have a handler. */
  topics?: readonly string[];
}

const defaultDrainMs = 5000;

/**
 * Nest's routing over our source: pattern = topic name, payload = RecordBatch. A handler that fails is called again with the
 * same records, its error never reaches the Kafka client (Nest's own ServerKafka stalls the whole consumer there).
 */
export class KafkaEventServer
  extends Server<Record<string, (...args: unknown[]) => unknown>, 'connected' | 'disconnected'>
  implements CustomTransportStrategy
{
  /** Handlers reject to us, and we repeat: Nest need not log it as unobserved. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly options: KafkaEventServerOptions;

  constructor(options: KafkaEventServerOptions) {
    super();
    this.options = options;
  }

  listen(callback: (error?: unknown) => void): void {
    const { source, log, drainMs, topics, ...start } = this.options;
    void drainMs;
    const patterns = topics ?? [...this.messageHandlers.keys()];
    source
      .start({ ...start, topics: patterns, onRecords: (tp, records, epoch) => this.handOut(tp, records, epoch) })
      .then(() => {
        this._status$.next('connected');
        callback();
      })
      .catch((err: unknown) => {
        log.error({ err, topics: patterns }, 'kafka event server cannot start');
        callback(err);
      });
  }

  async close(): Promise<void> {
    await this.options.source.stop(this.options.drainMs ?? defaultDrainMs);
    this._status$.next('disconnected');
  }

  on(): void {
    throw new KafkaFault('rejected', 'the Kafka event server has no events of its own; see EventSource.state()');
  }

  unwrap<T>(): T {
    return this.options.source as T;
  }

  private async handOut(tp: TP, records: InRecord[], epoch: number): Promise<void> {
    const handler = this.getHandlerByPattern(tp.topic);
    if (!handler) throw new KafkaFault('rejected', `no handler for ${tp.topic}`);
    const batch: RecordBatch = { tp, records, epoch };
    const result: unknown = await handler(batch, new KafkaEventContext([tp, this.options.source]));
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  }
}
