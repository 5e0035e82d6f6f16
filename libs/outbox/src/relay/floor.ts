interface Reading {
  readonly at: number;
  readonly id: number;
}

interface ShardFloor {
  /** Where reading stood, oldest first; everything visible then at or below `id` has been published. */
  readonly readings: Reading[];
  floor: number;
}

/**
 * The normal lane's floor (kafka-on-node.md §4.4 step 4): dead index entries below it are not visited again. It trails,
 * because a transaction still open may commit a row with a lower id than those already published; and it is ignored every
 * few seconds, for one that took longer than any should. The urgent lane has no floor (REL-3).
 */
export class TrailingFloor {
  readonly #trailMs: number;
  readonly #fullScanMs: number;
  readonly #shards = new Map<number, ShardFloor>();
  #scannedAt = Number.NEGATIVE_INFINITY;

  constructor(trailMs: number, fullScanMs: number) {
    this.#trailMs = trailMs;
    this.#fullScanMs = fullScanMs;
  }

  /** Is it time to read from the beginning? Asking starts the next interval. */
  fullScanDue(now: number): boolean {
    if (now - this.#scannedAt < this.#fullScanMs) return false;
    this.#scannedAt = now;
    return true;
  }

  /** Ids above this are read; 0 for a shard that is new here. */
  of(shard: number, now: number): number {
    const known = this.#shards.get(shard);
    if (known === undefined) return 0;
    while (known.readings[0] !== undefined && now - known.readings[0].at >= this.#trailMs)
      known.floor = Math.max(known.floor, known.readings.shift()?.id ?? 0);
    return known.floor;
  }

  /** Everything of this shard that was visible at `readAt` up to `id` stands in Kafka. */
  published(shard: number, id: number, readAt: number): void {
    const known = this.#shards.get(shard) ?? { readings: [], floor: 0 };
    this.#shards.set(shard, known);
    const last = known.readings.at(-1);
    // One reading a second is fine enough for a floor that trails by many.
    if (last === undefined || readAt - last.at >= 1_000) known.readings.push({ at: readAt, id });
  }

  /** A shard that was handed over, or that failed, starts from the beginning again. */
  forget(shard: number): void {
    this.#shards.delete(shard);
  }
}
