import { longestRestMs, urgentAtWorkMs, type Company, type RelayTiming } from './timing.ts';

/** How the lanes of one process share it. */
export class Pace {
  /** When the urgent lane last had rows, monotonic milliseconds. */
  urgentAt = Number.NEGATIVE_INFINITY;
  readonly #backlog: RelayTiming['backlog'];

  constructor({ backlog }: Pick<RelayTiming, 'backlog'>) {
    this.#backlog = backlog;
  }

  /** How long the normal lane rests after a page that took `workMs`. */
  rest(workMs: number, now: number): number {
    return Math.min(longestRestMs, workMs * this.#backlog[this.#company(now)].rest);
  }

  /** Rows of the normal lane's next page. */
  pageRows(now: number): number {
    return this.#backlog[this.#company(now)].pageRows;
  }

  #company(now: number): Company {
    return now - this.urgentAt < urgentAtWorkMs ? 'besideUrgent' : 'alone';
  }
}
