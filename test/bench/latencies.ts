import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Milliseconds; Node's HdrHistogram keeps three significant digits. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const nanosecondsPerMs = 1e6;
const longestNs = 600_000 * nanosecondsPerMs;

/** Latencies of one round. */
export class Latencies {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: longestNs, figures: 3 });

  /** @param ms not negative; an effect that was there before the cause was answered counts as 0 */
  add(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * nanosecondsPerMs)));
  }

  summary(): Summary {
    const at = (percentile: number) => this.#histogram.percentile(percentile) / nanosecondsPerMs;
    if (this.#histogram.count === 0) throw new Error('nothing was measured');
    return {
      count: this.#histogram.count,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: this.#histogram.max / nanosecondsPerMs,
    };
  }
}
