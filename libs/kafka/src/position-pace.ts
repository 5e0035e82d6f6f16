import { tpKey, type TP } from './port.ts';

/**
 * How often the position in a partition is stored when nothing there was of interest, as twelve partitions with five
 * watermarks a second are. A restart reads at most this long a stretch of them again; what did something is stored with
 * what it did, always.
 */
const idleEveryMs = 5_000;

/** Whether the end of a batch has to be stored, for consumers that keep positions in their own database (DLV-1). */
export class PositionPace {
  readonly #storedAt = new Map<string, number>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** For a batch that did nothing. */
  due(tp: TP): boolean {
    const at = this.#storedAt.get(tpKey(tp));
    return at === undefined || this.#monotonicMs() - at >= idleEveryMs;
  }

  /** After the commit that holds the position. */
  stored(tp: TP): void {
    this.#storedAt.set(tpKey(tp), this.#monotonicMs());
  }
}
