import { reportOf } from './seed-report.ts';

/** Seeds [from, to) to run, and the planted bug, as the parent process asks. */
export interface Assignment {
  readonly from: number;
  readonly to: number;
  readonly mutant: string | null;
}

// A stack trace costs more than the error it explains, and a run throws thousands on purpose.
Error.stackTraceLimit = 0;

async function work({ from, to, mutant }: Assignment): Promise<void> {
  for (let seed = from; seed < to; seed += 1) process.send?.(await reportOf(seed, mutant));
  process.send?.('done');
}

process.on('message', (assignment: Assignment) => {
  work(assignment).catch((error: unknown) => {
    process.send?.({ fault: error instanceof Error ? `${error.message}\n${String(error.cause ?? '')}` : 'failed' });
  });
});
