import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@entente/observability';

export interface WaitOptions {
  /** Default 10 s: a loaded machine with two cores, not the time a reader expects. */
  timeoutMs?: number;
  /** Default 20 ms. */
  everyMs?: number;
  /** Completes "waited 10000 ms for …". */
  what: string;
}

/** Asks until the answer is neither undefined, null nor false, and gives it back; a throw counts as "not yet". */
export async function waitFor<Answer>(
  condition: () => Answer | Promise<Answer>,
  { timeoutMs = 10_000, everyMs = 20, what }: WaitOptions,
): Promise<Exclude<Answer, undefined | null | false>> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      last = await condition();
      if (last !== undefined && last !== null && last !== false)
        return last as Exclude<Answer, undefined | null | false>;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonic() >= deadline) {
      const ending =
        last instanceof Error ? `the last try threw: ${last.message}` : `the last answer was ${String(last)}`;
      throw new Error(`waited ${timeoutMs} ms for ${what}; ${ending}`, { cause: last });
    }
    await pause(everyMs);
  }
}
