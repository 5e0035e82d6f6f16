import type { OwnedShard } from './owned-shards.ts';
import { fitting, rowsPerShard, type StoredRow } from './rows.ts';
import { pageBytesPerPartition } from './timing.ts';

/** What became of the shards of a round. */
export interface Drained {
  /** Every row that was asked for stands in Kafka. */
  readonly complete: readonly OwnedShard[];
  readonly failed: ReadonlySet<number>;
  /** It was told to stop while more was waiting. */
  readonly interrupted: boolean;
}

interface DrainPorts {
  /** Rows of one page, over all shards. */
  readonly pageRows: number;
  /** The lowest rows of these shards, in id order, at most `perShard` of each. */
  read(shards: readonly OwnedShard[], perShard: number): Promise<readonly StoredRow[]>;
  /** Sends and deletes; answers the shards of which something was not acknowledged. */
  publish(rows: readonly StoredRow[]): Promise<ReadonlySet<number>>;
  /** Asked between two pages. */
  goOn(): boolean;
  /** Told after each page which shards it answered for, with what, and which of them have more. */
  onRead?(shards: readonly OwnedShard[], rows: readonly StoredRow[], unfinished: ReadonlySet<number>): void;
}

/**
 * Page by page, each from the lowest id: a cursor could pass over version 1 of a subject that committed between two pages
 * and publish version 2 first (REL-3, REL-4 step 3).
 */
export async function drain(shards: readonly OwnedShard[], ports: DrainPorts): Promise<Drained> {
  const complete: OwnedShard[] = [];
  const failed = new Set<number>();
  let open = shards;
  while (open.length > 0 && ports.goOn()) {
    const limit = rowsPerShard(ports.pageRows, open.length);
    const read = await ports.read(open, limit);
    const { rows, unfinished } = fitting(read, limit, pageBytesPerPartition);
    const refused = rows.length === 0 ? new Set<number>() : await ports.publish(rows);
    for (const shard of refused) failed.add(shard);
    const answered = open.filter(({ shard }) => !failed.has(shard));
    complete.push(...answered.filter(({ shard }) => !unfinished.has(shard)));
    ports.onRead?.(answered, rows, unfinished);
    open = answered.filter(({ shard }) => unfinished.has(shard));
  }
  return { complete, failed, interrupted: open.length > 0 };
}
