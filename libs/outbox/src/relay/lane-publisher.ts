import { topics } from '@entente/contracts';
import type { EventPublisher } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import type { Lane } from '../append.ts';
import type { OutboxMetrics } from './outbox-metrics.ts';
import type { OwnedShards } from './owned-shards.ts';
import { recordOf } from './records.ts';
import type { LockStore } from './relay-store.ts';
import type { StoredRow } from './rows.ts';
import { settle, type Acknowledged, type Settlement } from './settle.ts';

interface LanePublisherParts {
  readonly lane: Lane;
  readonly service: string;
  readonly store: LockStore;
  readonly shards: OwnedShards;
  readonly metrics: OutboxMetrics;
  readonly log: Logger;
}

/** One page: publish, verify every partition, delete what was acknowledged and nothing else (REL-3). */
export class LanePublisher {
  readonly #parts: LanePublisherParts;

  constructor(parts: LanePublisherParts) {
    this.#parts = parts;
  }

  async publish(rows: readonly StoredRow[], publisher: EventPublisher): Promise<Settlement> {
    const { lane, service, store, metrics, log } = this.#parts;
    const results = await publisher.publish(rows.map((row) => recordOf(service, row)));
    const settlement = settle(rows, results);
    for (const acknowledged of settlement.acknowledged) this.noteAcknowledged(acknowledged);
    metrics.published(settlement.confirmed, settlement);
    if (settlement.failed.size > 0)
      log.warn({ lane, shards: [...settlement.failed], err: settlement.errors[0] }, 'partitions not acknowledged');
    await store.deleteRows(
      lane,
      settlement.confirmed.map(({ id }) => id),
    );
    return settlement;
  }

  /** REL-5 watches the express lane alone: gates count its offsets (GATE-3). */
  noteAcknowledged({ topic, partition, first, last }: Acknowledged): void {
    if (topic !== topics.revocations || !this.#parts.shards.acknowledged(partition, first, last)) return;
    this.#parts.log.error({ topic, partition, offset: String(first) }, 'log lost or made anew; its epoch is raised');
  }
}
