import type { PublishResult } from '@entente/kafka';
import type { StoredRow } from './rows.ts';

/** What the broker acknowledged of one partition. */
export interface Acknowledged {
  readonly topic: string;
  readonly partition: number;
  readonly first: bigint;
  readonly last: bigint;
  /** t2 by the broker's clock, where it tells it. */
  readonly appendedAt?: number;
}

export interface Settlement {
  /** Rows that stand in Kafka and may be deleted; nothing else may. */
  readonly confirmed: readonly StoredRow[];
  /** Shards of which something was not acknowledged. */
  readonly failed: ReadonlySet<number>;
  readonly acknowledged: readonly Acknowledged[];
  readonly errors: readonly Error[];
}

const tp = (topic: string, partition: number): string => `${topic}:${partition}`;

/** REL-3: compares what was sent with what was acknowledged, partition by partition. No answer is a no. */
export function settle(rows: readonly StoredRow[], results: readonly PublishResult[]): Settlement {
  const sent = new Map<string, number>();
  for (const row of rows) sent.set(tp(row.topic, row.shard), (sent.get(tp(row.topic, row.shard)) ?? 0) + 1);
  const whole = new Set<string>();
  const errors: Error[] = [];
  const acknowledged: Acknowledged[] = [];
  for (const result of results) {
    const { topic, partition } = result;
    if (!result.ok) errors.push(result.error);
    else if (result.count === sent.get(tp(topic, partition))) {
      whole.add(tp(topic, partition));
      acknowledged.push(acknowledgement(result));
    }
  }
  const failed = new Set(rows.filter((row) => !whole.has(tp(row.topic, row.shard))).map((row) => row.shard));
  return { confirmed: rows.filter((row) => whole.has(tp(row.topic, row.shard))), failed, acknowledged, errors };
}

/** The offsets and the time of an acknowledged partition. */
export function acknowledgement(result: PublishResult & { ok: true }): Acknowledged {
  const { topic, partition, baseOffset, count, appendedAt } = result;
  const last = baseOffset + BigInt(count) - 1n;
  return { topic, partition, first: baseOffset, last, ...(appendedAt === undefined ? {} : { appendedAt }) };
}
