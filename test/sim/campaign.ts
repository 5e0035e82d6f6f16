import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SeedReport } from './seed-report.ts';
import type { Assignment } from './worker.ts';

export interface CampaignOptions {
  readonly from: number;
  readonly seeds: number;
  readonly workers: number;
  readonly mutant: string | null;
  /** Answers whether the campaign is to go on. */
  readonly onReport: (report: SeedReport) => boolean;
  /** Breaks the campaign off; what was reported by then counts. */
  readonly signal?: AbortSignal;
}

/** Seeds handed to a worker at a time. */
const portion = 8;
const workerFile = fileURLToPath(new URL('./worker.ts', import.meta.url));
const nodeFlags = ['--conditions=source', '--no-warnings'];

/** Runs seeds in processes of their own: each replaces its own timers and clocks. */
export async function campaign({ from, seeds, workers, mutant, onReport, signal }: CampaignOptions): Promise<void> {
  const end = from + seeds;
  let next = from;
  let stopped = false;
  const hand = (child: ChildProcess): boolean => {
    if (stopped || next >= end) return false;
    const assignment: Assignment = { from: next, to: Math.min(end, next + portion), mutant };
    next = assignment.to;
    child.send(assignment);
    return true;
  };
  const children: ChildProcess[] = [];
  const stop = (): void => {
    stopped = true;
    for (const each of children) each.kill();
  };
  signal?.addEventListener('abort', stop, { once: true });
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(workerFile, { execArgv: nodeFlags });
      children.push(child);
      child.on('error', reject);
      child.on('exit', (code, killedBy) =>
        stopped || code === 0 ? resolve() : reject(new Error(`a worker ended: ${killedBy ?? code}`)),
      );
      child.on('message', (told: SeedReport | 'done' | { readonly fault: string }) => {
        if (told === 'done') {
          if (!hand(child)) child.disconnect();
        } else if ('fault' in told) {
          reject(new Error(`a worker failed: ${told.fault}`));
        } else if (!stopped && !onReport(told)) {
          stop();
        }
      });
      if (!hand(child)) child.disconnect();
    });
  try {
    await Promise.all(Array.from({ length: Math.min(workers, Math.ceil(seeds / portion)) }, one));
  } finally {
    for (const child of children) child.kill();
  }
}
