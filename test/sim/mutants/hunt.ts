import { campaign } from '../campaign.ts';
import { mutants } from './mutants.ts';

/** What became of one planted bug. */
export interface Hunted {
  readonly name: string;
  /** The first seed that showed it, or null. */
  readonly seed: number | null;
  /** Rules that seed breaks. */
  readonly rules: readonly string[];
  readonly tried: number;
}

/** Runs a planted bug until one of the rules that should see it does, within its budget of seeds. */
export async function hunt(name: string, workers: number): Promise<Hunted> {
  const mutant = mutants[name];
  if (mutant === undefined) throw new RangeError(`no mutant ${name}`);
  let tried = 0;
  let found: Pick<Hunted, 'seed' | 'rules'> = { seed: null, rules: [] };
  await campaign({
    ...{ from: mutant.from ?? 1, seeds: mutant.seeds, workers, mutant: name },
    onReport: ({ seed, broken }) => {
      tried += 1;
      const rules = [...new Set(broken.map(({ rule }) => rule))];
      if (!mutant.caughtBy.some((rule) => rules.includes(rule))) return true;
      found = { seed, rules };
      return false;
    },
  });
  return { name, tried, ...found };
}
