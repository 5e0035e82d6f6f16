import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@entente/observability';

/** Milliseconds of CLOCK_MONOTONIC, which every process of this host shares: the one clock of a history. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A nanosecond stamp of another process of this host, in milliseconds of the same clock. */
export const ofNanoseconds = (ns: string): number => Number(BigInt(ns)) / 1e6;

/** Wall time to monotonic: both are this host's, so the distance hardly moves within a run. */
export const monotonicOfWall = (wallMs: number): number => wallMs - (systemClock.now() - monotonicMs());

/** Until then, or until the run ends: the only failure of a pause, and whoever waits looks at the signal. */
export const unlessOver = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => undefined);
