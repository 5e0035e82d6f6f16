import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@entente/observability';

/** Milliseconds of CLOCK_MONOTONIC, which every process of this host shares: the one clock of a history. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A nanosecond stamp of another process of this host, in milliseconds of the same clock. */
export const ofNanoseconds = (ns: string): number => Number(BigInt(ns)) / 1e6;

/** Two readings further apart than this had a pause between them, in milliseconds. */
const apartMs = 0.1;

/**
 * Wall time to monotonic: both are this host's, so the distance hardly moves within a run. It takes two readings, and whoever
 * is stopped between them (a collection, a busy machine) would move what is read by as long: such a pair is read again.
 */
export function monotonicOfWall(wallMs: number, wall = systemClock.now, monotonic = monotonicMs): number {
  for (;;) {
    const before = monotonic();
    const now = wall();
    const after = monotonic();
    if (after - before <= apartMs) return wallMs - (now - after);
  }
}

/** Until then, or until the run ends: the only failure of a pause, and whoever waits looks at the signal. */
export const unlessOver = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => undefined);
