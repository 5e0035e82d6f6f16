/** Exponential backoff with full jitter: a random pause below a ceiling that doubles. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * @param attempt 1 for the first failed attempt
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, { baseMs, capMs }: Backoff, random: number): number {
  // 2^30 times any base is past every cap; beyond that the power would overflow into Infinity × 0.
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(random * ceiling);
}
