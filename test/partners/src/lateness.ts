/** Ticks so often, milliseconds. */
const everyMs = 5;
/** A stall is told of for this long after it: what arrived in it is read one by one. */
const rememberedMs = 100;
const nsPerMs = 1_000_000n;

/**
 * How late this process notices what has arrived: on a busy machine it gets its turn milliseconds after the byte it is to
 * stamp. Whoever compares its stamps with another process's has to know.
 */
export class Lateness {
  readonly #now: () => bigint;
  #tickedAt: bigint;
  #worst: { readonly lateNs: bigint; readonly at: bigint } = { lateNs: 0n, at: 0n };

  /** @param now monotonic nanoseconds */
  constructor(now: () => bigint = () => process.hrtime.bigint()) {
    this.#now = now;
    this.#tickedAt = now();
  }

  start(): NodeJS.Timeout {
    return setInterval(() => this.tick(), everyMs).unref();
  }

  tick(): void {
    this.#note();
    this.#tickedAt = this.#now();
  }

  /** Nanoseconds by which something noticed now may have come earlier. */
  lately(): bigint {
    this.#note();
    return this.#worst.lateNs;
  }

  #note(): void {
    const at = this.#now();
    // Since the last tick nobody looked, for all that is known here; that it is not yet due excuses nothing.
    const lateNs = at - this.#tickedAt;
    const isOld = at - this.#worst.at > BigInt(rememberedMs) * nsPerMs;
    if (isOld) this.#worst = { lateNs: 0n, at };
    if (lateNs >= this.#worst.lateNs) this.#worst = { lateNs, at };
  }
}
