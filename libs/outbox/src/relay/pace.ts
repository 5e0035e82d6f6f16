import { longestRestMs, normalPageRows, normalRest, urgentAtWorkMs } from './timing.ts';

/** How the lanes of one process share it. */
export class Pace {
  /** When the urgent lane last had rows, monotonic milliseconds. */
  urgentAt = Number.NEGATIVE_INFINITY;

  /** How long the normal lane rests after a page that took `workMs`. */
  rest(workMs: number, now: number): number {
    return Math.min(longestRestMs, workMs * normalRest[this.#company(now)]);
  }

  /** Rows of the normal lane's next page. */
  pageRows(now: number): number {
    return normalPageRows[this.#company(now)];
  }

  #company(now: number): 'besideUrgent' | 'alone' {
    return now - this.urgentAt < urgentAtWorkMs ? 'besideUrgent' : 'alone';
  }
}
