/** One side of a comparison: a round of it, as one figure in any unit. */
export interface Sides<T> {
  readonly ours: () => Promise<T>;
  readonly baseline: () => Promise<T>;
}

export interface Round<T> {
  readonly ours: T;
  readonly baseline: T;
  /** Share of processor time that the host took away during the round, 0 to 1. */
  readonly steal: number;
}

/**
 * ABBA: the sides take turns, and which comes first changes from round to round, so that neither always meets the warmer
 * machine. Rounds with more than 5 % steal are dropped.
 */
export async function interleaved<T>(
  sides: Sides<T>,
  rounds: number,
  stealShare: () => () => number,
): Promise<readonly Round<T>[]> {
  const kept: Round<T>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const stolen = stealShare();
    const oursFirst = round % 2 === 0;
    const first = await (oursFirst ? sides.ours() : sides.baseline());
    const second = await (oursFirst ? sides.baseline() : sides.ours());
    const [ours, baseline] = oursFirst ? [first, second] : [second, first];
    const steal = stolen();
    if (steal <= 0.05) kept.push({ ours, baseline, steal });
  }
  if (kept.length === 0) throw new Error('the host took more than 5 % of the processor in every round');
  return kept;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** ours : baseline, round by round. */
export const ratios = <T>(rounds: readonly Round<T>[], figure: (side: T) => number): Spread =>
  spread(rounds.map(({ ours, baseline }) => figure(ours) / figure(baseline)));
