import type { Benchmark, BenchmarkResult } from '../benchmark.ts';

/** Everything one run of one benchmark found, as it stands in its JSON file. */
export interface Report extends Pick<Benchmark, 'id' | 'what' | 'baseline' | 'answers'>, BenchmarkResult {
  /** ISO 8601. */
  readonly at: string;
  readonly machine: string;
  readonly command: string;
  /** Of the code that was measured; `+` where files had been changed since. */
  readonly commit: string;
  readonly minutes: number;
}
