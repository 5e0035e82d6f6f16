import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';
import { mutantNames } from './mutants/mutants.ts';
import { replay } from './replay.ts';
import type { SeedReport } from './seed-report.ts';

/** Virtual seconds of a seed, at least. */
const seedSeconds = 40;
const defaultSeeds = 4_000;
/** As a shell tells of a program that was interrupted. */
const interrupted = 130;
/** Lines of progress on stderr, milliseconds apart. */
const progressMs = 10_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    hours: { type: 'string' },
    seed: { type: 'string' },
    mutant: { type: 'string' },
    workers: { type: 'string' },
    history: { type: 'string' },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`--${name} wants a whole number, not ${text}`);
  return value;
}

function seedsAsked(): number {
  if (values.hours !== undefined) return Math.ceil((Number(values.hours) * 3_600) / seedSeconds);
  return values.seeds === undefined ? defaultSeeds : wholeNumber('seeds', values.seeds);
}

/** Workers finish out of order: what a later one has done already is done again. */
function firstUndone(from: number, done: ReadonlySet<number>): number {
  let seed = from;
  while (done.has(seed)) seed += 1;
  return seed;
}

async function run(): Promise<number> {
  const mutant = values.mutant ?? null;
  if (mutant !== null && !mutantNames.includes(mutant))
    throw new RangeError(`--mutant is one of ${mutantNames.join(', ')}`);
  if (values.seed !== undefined) return replay(wholeNumber('seed', values.seed), mutant, values.history);
  const from = wholeNumber('from', values.from);
  const workers = values.workers === undefined ? availableParallelism() : wholeNumber('workers', values.workers);
  const began = performance.now();
  const done = new Set<number>();
  let virtualMs = 0;
  let cpuMs = 0;
  const broken: SeedReport[] = [];
  let toldAt = began;
  const brokenOff = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => brokenOff.abort());
  await campaign({
    ...{ from, seeds: seedsAsked(), workers, mutant, signal: brokenOff.signal },
    onReport: (report) => {
      done.add(report.seed);
      virtualMs += report.virtualMs;
      cpuMs += report.cpuMs;
      if (report.broken.length > 0) broken.push(report);
      if (performance.now() - toldAt > progressMs) {
        toldAt = performance.now();
        console.error(`${done.size} seeds, ${(virtualMs / 3_600_000).toFixed(2)} virtual hours`);
      }
      // One is enough: the first broken seed is what to look at.
      return broken.length === 0;
    },
  });
  const seconds = (performance.now() - began) / 1000;
  for (const { seed, broken: violations } of broken) {
    const shortest = [...violations].sort((a, b) => a.excerpt.length - b.excerpt.length)[0];
    console.log(`seed ${seed} breaks ${[...new Set(violations.map(({ rule }) => rule))].join(', ')}`);
    console.log(shortest?.excerpt ?? '');
    console.log(`replay: npm run sim -- --seed ${seed}${mutant === null ? '' : ` --mutant ${mutant}`}`);
  }
  const hours = virtualMs / 3_600_000;
  console.log(
    `${done.size} seeds from ${from}, ${hours.toFixed(2)} virtual hours in ${seconds.toFixed(1)} s ` +
      `(${((hours * 60) / seconds).toFixed(1)} virtual hours a minute on ${workers} workers, ` +
      `${(virtualMs / 60 / Math.max(cpuMs, 1)).toFixed(2)} per processor minute), ` +
      `${broken.reduce((sum, report) => sum + report.broken.length, 0)} violations; ` +
      `go on with --from ${firstUndone(from, done)}`,
  );
  if (broken.length > 0) return 1;
  return brokenOff.signal.aborted ? interrupted : 0;
}

process.exitCode = await run();
