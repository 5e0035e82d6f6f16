/** What an instance should do about its shards now. */
export interface Rebalance {
  /** How many more it may take. */
  readonly acquire: number;
  /** Which it should hand over, once nothing of theirs is in flight. */
  readonly release: readonly number[];
}

/** Every live instance may own this many; some own fewer. */
const fairShare = (shards: number, instances: number): number => Math.ceil(shards / Math.max(1, instances));

/** Surplus goes, the highest shards first; what is short may be taken (kafka-on-node.md §4.4 step 2). */
export function rebalance(owned: readonly number[], instances: number, shards: number): Rebalance {
  const share = fairShare(shards, instances);
  const ascending = [...owned].sort((a, b) => a - b);
  return { acquire: Math.max(0, share - owned.length), release: ascending.slice(share) };
}

/** Shards worth asking for, in an order that differs from instance to instance, so that two do not race for the same. */
export function candidates(owned: ReadonlySet<number>, shards: number, offset: number): number[] {
  return Array.from({ length: shards }, (_, index) => (index + offset) % shards).filter((shard) => !owned.has(shard));
}
