/** One turn of each side, as one figure or several. */
export interface Round<K extends string, T> {
  readonly of: Readonly<Record<K, T>>;
  /** Share of processor time that the host took away during the round, 0 to 1. */
  readonly steal: number;
}

/** Where the host took more than this of a round, the round tells of the host. */
const mostSteal = 0.05;

/**
 * The sides take turns, and which comes first changes from round to round (ABBA for two), so that none always meets the
 * warmer machine. Rounds with more than 5 % steal are dropped.
 */
export async function interleaved<K extends string, T>(
  sides: Readonly<Record<K, () => Promise<T>>>,
  rounds: number,
  stealShare: () => () => number,
): Promise<readonly Round<K, T>[]> {
  const kept: Round<K, T>[] = [];
  const names = Object.keys(sides) as K[];
  for (let round = 0; round < rounds; round += 1) {
    const stolen = stealShare();
    const of: Partial<Record<K, T>> = {};
    for (const name of inTurn(names, round)) of[name] = await sides[name]();
    const steal = stolen();
    if (steal <= mostSteal) kept.push({ of: of as Record<K, T>, steal });
  }
  if (kept.length === 0) throw new Error('the host took more than 5 % of the processor in every round');
  return kept;
}

/** Forwards and backwards in turns, and each time begun by the next one. */
export function inTurn<K>(names: readonly K[], round: number): readonly K[] {
  const shift = names.length === 0 ? 0 : (round >> 1) % names.length;
  const turned = [...names.slice(shift), ...names.slice(0, shift)];
  return round % 2 === 0 ? turned : turned.reverse();
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

/** One side's figure, and what it is of another side's, round by round. */
export const compared = <K extends string, T>(
  rounds: readonly Round<K, T>[],
  [ours, theirs]: readonly [K, K],
  figure: (side: T) => number,
): { readonly ours: Spread; readonly baseline: Spread; readonly ratio: Spread } => ({
  ours: spread(rounds.map(({ of }) => figure(of[ours]))),
  baseline: spread(rounds.map(({ of }) => figure(of[theirs]))),
  ratio: spread(rounds.map(({ of }) => figure(of[ours]) / figure(of[theirs]))),
});
