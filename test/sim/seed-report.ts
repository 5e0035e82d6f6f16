import { excerpt } from '../faults/checker/index.ts';
import { judge } from './judge.ts';
import { mutationOf } from './mutants/mutants.ts';
import { runSeed } from './run-seed.ts';

/** What one seed came to. */
export interface SeedReport {
  readonly seed: number;
  readonly hash: string;
  readonly virtualMs: number;
  /** Processor time that it took, of all threads: wall time says little on a shared machine. */
  readonly cpuMs: number;
  readonly broken: readonly { readonly rule: string; readonly excerpt: string }[];
}

/** Runs and judges one seed, with a planted bug or without. */
export async function reportOf(seed: number, mutant: string | null): Promise<SeedReport> {
  const before = process.cpuUsage();
  const { history, hash, virtualMs } = await runSeed({ seed, mutations: mutationOf(mutant) });
  const broken = judge(history).map((violation) => ({ rule: violation.rule, excerpt: excerpt(violation) }));
  const { user, system } = process.cpuUsage(before);
  return { seed, hash, virtualMs, cpuMs: (user + system) / 1_000, broken };
}
