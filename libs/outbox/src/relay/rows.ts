/** An outbox row as the relay reads it. */
export interface StoredRow {
  readonly id: number;
  readonly eventId: string;
  readonly topic: string;
  readonly key: string;
  readonly type: string;
  /** JSON text of the data, exactly as it will be published. */
  readonly payload: string;
  readonly traceparent: string | null;
  readonly shard: number;
  /** t1, ISO 8601 with microseconds and as milliseconds since 1970. */
  readonly time: string;
  readonly committedAtMs: number;
  /** Of a consent change. */
  readonly direction: string | null;
}

export interface Fitting {
  /** What may be sent now, in order. */
  readonly rows: readonly StoredRow[];
  /** Shards of which more may be waiting than was read or sent. */
  readonly unfinished: ReadonlySet<number>;
}

/**
 * The prefix of each shard's rows that fits one send. A shard that gave as many rows as were asked for, or more than fit,
 * is not finished; a first row goes alone however large it is.
 */
export function fitting(rows: readonly StoredRow[], limitPerShard: number, maxBytes: number): Fitting {
  const sizes = new Map<number, { rows: number; bytes: number }>();
  const unfinished = new Set<number>();
  const sent: StoredRow[] = [];
  for (const row of rows) {
    const size = sizes.get(row.shard) ?? { rows: 0, bytes: 0 };
    sizes.set(row.shard, size);
    size.rows += 1;
    size.bytes += Buffer.byteLength(row.payload) + row.key.length;
    if (size.rows >= limitPerShard || (size.bytes > maxBytes && size.rows > 1)) unfinished.add(row.shard);
    if (size.rows === 1 || size.bytes <= maxBytes) sent.push(row);
  }
  return { rows: sent, unfinished };
}

/** Rows to ask of each shard, so that all of them together make one page. */
export const rowsPerShard = (page: number, shards: number): number => Math.ceil(page / Math.max(1, shards));
