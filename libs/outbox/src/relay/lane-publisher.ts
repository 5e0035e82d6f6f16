import { topics } from '@entente/contracts';
import type { EventPublisher } from '@entente/kafka';
import type { Logger, Span, Tracing } from '@entente/observability';
import type { Lane } from '../append.ts';
import type { OutboxMetrics } from './outbox-metrics.ts';
import type { OwnedShards } from './owned-shards.ts';
import { recordOf } from './records.ts';
import type { LockStore, OwedShard } from './relay-store.ts';
import type { StoredRow } from './rows.ts';
import { settle, type Acknowledged, type Settlement } from './settle.ts';

interface LanePublisherParts {
  readonly lane: Lane;
  readonly service: string;
  readonly store: LockStore;
  readonly shards: OwnedShards;
  readonly metrics: OutboxMetrics;
  readonly log: Logger;
  readonly tracing: Tracing;
}

/** One page: publish, verify every partition, delete what was acknowledged and nothing else (REL-3). */
export class LanePublisher {
  readonly #parts: LanePublisherParts;

  constructor(parts: LanePublisherParts) {
    this.#parts = parts;
  }

  async publish(rows: readonly StoredRow[], publisher: EventPublisher): Promise<Settlement> {
    const { lane, service, store, metrics, log } = this.#parts;
    const spans = this.#begun(rows);
    const records = rows.map((row) => recordOf(service, row, spans.get(row)?.traceparent));
    const results = await publisher.publish(records);
    const settlement = settle(rows, results);
    for (const [row, span] of spans) span.end({}, settlement.failed.has(row.shard) ? 'not-acknowledged' : undefined);
    await this.noteAcknowledged(settlement.acknowledged);
    metrics.published(settlement.confirmed, settlement);
    if (settlement.failed.size > 0)
      log.warn({ lane, shards: [...settlement.failed], err: settlement.errors[0] }, 'partitions not acknowledged');
    await store.deleteRows(
      lane,
      settlement.confirmed.map(({ id }) => id),
    );
    return settlement;
  }

  /** One span for each row whose writer was part of a trace: from the row's reading to the brokers' answer. */
  #begun(rows: readonly StoredRow[]): ReadonlyMap<StoredRow, Span> {
    const { lane, tracing } = this.#parts;
    const spans = new Map<StoredRow, Span>();
    for (const row of rows) {
      if (row.traceparent === null) continue;
      const attributes = {
        'messaging.system': 'kafka',
        'messaging.operation.type': 'send',
        'messaging.destination.name': row.topic,
        'messaging.destination.partition.id': String(row.shard),
        'entente.lane': lane,
        'entente.event': row.type,
      };
      spans.set(row, tracing.begin(`send ${row.topic}`, { kind: 'producer', parent: row.traceparent, attributes }));
    }
    return spans;
  }

  /** REL-5 watches the express lane alone: gates count its offsets (GATE-3). */
  async noteAcknowledged(acknowledged: readonly Acknowledged[]): Promise<void> {
    const { shards, store, log } = this.#parts;
    const owed: OwedShard[] = [];
    for (const { topic, partition, first, last } of acknowledged) {
      const lost = topic === topics.revocations ? shards.acknowledged(partition, first, last) : null;
      if (lost === null) continue;
      owed.push(lost);
      log.error({ topic, partition, offset: String(first) }, 'log lost or made anew; its epoch is raised');
    }
    if (owed.length > 0) await store.oweRepublish(owed);
  }
}
