import type { EventPublisher } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import { pause } from './bell.ts';
import { backoffMs, type RelayTiming } from './timing.ts';

interface ProbesParts {
  readonly newPublisher: () => EventPublisher;
  /** One round for this shard alone; answers whether the partition acknowledged everything. */
  readonly round: (shard: number, publisher: EventPublisher) => Promise<boolean>;
  readonly timing: RelayTiming;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** A round could not be run at all: the database is away. */
  readonly onFault: (error: unknown) => void;
}

/** REL-3: a partition that failed leaves the common batch and is probed alone, by its own producer, until it answers. */
export class Probes {
  readonly #parts: ProbesParts;
  readonly #running = new Map<number, Promise<void>>();

  constructor(parts: ProbesParts) {
    this.#parts = parts;
  }

  /** Is this shard out of the common batch? */
  has(shard: number): boolean {
    return this.#running.has(shard);
  }

  shards(): number[] {
    return [...this.#running.keys()];
  }

  isolate(shards: Iterable<number>): void {
    for (const shard of shards) {
      if (this.#running.has(shard)) continue;
      const probing = this.#probe(shard)
        .catch(this.#parts.onFault)
        .finally(() => this.#running.delete(shard));
      this.#running.set(shard, probing);
    }
  }

  async ended(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #probe(shard: number): Promise<void> {
    const { newPublisher, round, timing, log, signal } = this.#parts;
    const publisher = newPublisher();
    try {
      for (let attempt = 0; !signal.aborted; attempt += 1) {
        await pause(backoffMs(attempt, timing), signal);
        if (signal.aborted || !(await round(shard, publisher))) continue;
        log.info({ shard, attempts: attempt + 1 }, 'partition answers again');
        return;
      }
    } finally {
      await publisher.close();
    }
  }
}
