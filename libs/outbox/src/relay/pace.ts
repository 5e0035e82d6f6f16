import { longestRestMs, normalRest, urgentAtWorkMs } from './timing.ts';

/** How the lanes of one process share it. */
export class Pace {
  /** When the urgent lane last had rows, monotonic milliseconds. */
  urgentAt = Number.NEGATIVE_INFINITY;

  /** How long the normal lane rests after a page that took `workMs`. */
  rest(workMs: number, now: number): number {
    const besideUrgent = now - this.urgentAt < urgentAtWorkMs;
    return Math.min(longestRestMs, workMs * (besideUrgent ? normalRest.besideUrgent : normalRest.alone));
  }
}
