import { setTimeout as pause } from 'node:timers/promises';

/** What became of a schedule. */
export interface Paced {
  readonly planned: number;
  readonly failed: number;
  /** Why the first one failed. */
  readonly firstFailure?: unknown;
}

export interface Schedule {
  readonly perSecond: number;
  readonly seconds: number;
  /** @param intended when it should have started, on `performance.now()`: latencies count from here */
  readonly start: (index: number, intended: number) => Promise<void>;
}

/** An open loop: starts on a fixed schedule whatever the answers do, so that a stall is seen by all who would have met it. */
export async function openLoop({ perSecond, seconds, start }: Schedule): Promise<Paced> {
  const planned = Math.round(perSecond * seconds);
  const began = performance.now();
  const running = new Set<Promise<void>>();
  let failed = 0;
  let firstFailure: unknown;
  for (let index = 0; index < planned; index += 1) {
    const intended = began + (index * 1_000) / perSecond;
    const wait = intended - performance.now();
    if (wait > 0) await pause(wait);
    const one = start(index, intended).catch((error: unknown) => {
      firstFailure ??= error;
      failed += 1;
    });
    running.add(one);
    void one.finally(() => running.delete(one));
  }
  await Promise.all(running);
  return { planned, failed, ...(failed > 0 ? { firstFailure } : {}) };
}
