import { excerpt, writeHistory } from '../faults/checker/index.ts';
import { judge } from './judge.ts';
import { mutationOf } from './mutants/mutants.ts';
import { runSeed } from './run-seed.ts';
import type { LogLine } from './system/quiet.ts';

const shown = new Set(['fatal', 'error', 'warn', 'info']);
/** Said at every write, because the run plans no identifiers and no audience keys. */
const expected = new Set(['stored identifiers cannot be opened', 'no key for an audience of the catalogue']);

/** One seed with everything the system said, every fault that was in force, and what is broken. */
export async function replay(seed: number, mutant: string | null, file: string | undefined): Promise<number> {
  const onLog = (process: string, { level, message, fields }: LogLine): void => {
    if (!shown.has(level) || expected.has(message)) return;
    console.log(`${process} ${level} ${message} ${textOf(fields)}`);
  };
  const { history, hash } = await runSeed({ seed, mutations: mutationOf(mutant), onLog });
  for (const event of history.events)
    if (event.kind === 'nemesis')
      console.log(
        `fault ${event.fault} ${event.what} ${event.target} at ${Math.round(event.at)} for ${Math.round((event.to ?? 0) - event.at)} ms`,
      );
  const broken = judge(history);
  for (const violation of broken) console.log(excerpt(violation));
  if (file !== undefined) await writeHistory(file, history);
  console.log(`seed ${seed}: ${history.events.length} events, history ${hash}, ${broken.length} violations`);
  return broken.length > 0 ? 1 : 0;
}

const textOf = (fields: object): string =>
  JSON.stringify(fields, (_name, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Error ? value.message : value;
  });
