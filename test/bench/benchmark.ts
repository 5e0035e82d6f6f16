import type { Spread } from './rounds.ts';

/** One figure of a benchmark, as the page shows it. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly ours: Spread;
  /** What it is compared with, where that is not the benchmark's `baseline`. */
  readonly peer?: string;
  readonly baseline?: Spread;
  /** ours : baseline. */
  readonly ratio?: Spread;
  readonly target?: Target;
}

/** A ratio where a baseline is named, else an absolute. */
export interface Target {
  readonly of: 'ours' | 'ratio';
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** How a figure moves with the size of something; becomes a chart. */
export interface Sweep {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

export interface BenchmarkResult {
  readonly figures: readonly Figure[];
  /** What a reader must know to judge the figures. */
  readonly notes: readonly string[];
  readonly sweep?: Sweep;
}

export interface Settings {
  readonly rounds: number;
  readonly seconds: number;
  /** Rows of an import, of a backlog, and of the largest state. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

export interface Benchmark {
  readonly id: string;
  readonly what: string;
  readonly baseline: string;
  /** The choke points of the field's own benchmarks that it answers. */
  readonly answers: string;
  run(settings: Settings): Promise<BenchmarkResult>;
}

/** Missed only if the whole interval misses (reliability-plan.md §8). */
export function meets({ ours, ratio, target }: Figure): boolean | null {
  if (target === undefined) return null;
  const judged = target.of === 'ratio' ? ratio : ours;
  if (judged === undefined) throw new Error('a target for a ratio without a baseline');
  if (target.atMost !== undefined && judged.min > target.atMost) return false;
  return target.atLeast === undefined || judged.max >= target.atLeast;
}
