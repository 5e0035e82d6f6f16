/** Milliseconds, rounded to a tenth. */
export interface Distribution {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Nearest-rank percentiles; of nothing there is none, which is said as null rather than as a flattering 0. */
export function distribution(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!);
  return { p50: at(0.5), p99: at(0.99), max: rounded(sorted.at(-1)!) };
}
