import { backlogOverMs, longestRestMs, patienceMs, urgentAtWorkMs, type RelayTiming } from './timing.ts';

/** How the lanes of one process share it. */
export class Pace {
  /** When the urgent lane last had rows, monotonic milliseconds. */
  urgentAt = Number.NEGATIVE_INFINITY;
  readonly #backlog: RelayTiming['backlog'];
  /** First and last page of the backlog that stands. */
  #stands: { readonly since: number; readonly at: number } | null = null;

  constructor({ backlog }: Pick<RelayTiming, 'backlog'>) {
    this.#backlog = backlog;
  }

  /** How long the normal lane rests after a page of a backlog that took `workMs`. */
  restAfterBacklogPage(workMs: number, now: number): number {
    const since = this.#standsAt(now) ? this.#stands!.since : now;
    this.#stands = { since, at: now };
    return Math.min(longestRestMs, workMs * this.#rest(now));
  }

  /** Rows of the normal lane's next page. */
  pageRows(now: number): number {
    const { besideUrgent, alone } = this.#backlog;
    return this.#rest(now) > alone.rest ? besideUrgent.pageRows : alone.pageRows;
  }

  /**
   * As a multiple of a page's time. Beside withdrawals it shrinks once a backlog has stood for long, down to what it is alone:
   * at a fixed one, what comes faster than it lets through would wait for ever.
   */
  #rest(now: number): number {
    const { besideUrgent, alone } = this.#backlog;
    if (now - this.urgentAt >= urgentAtWorkMs) return alone.rest;
    const age = this.#standsAt(now) ? now - this.#stands!.since : 0;
    return Math.max(alone.rest, (besideUrgent.rest * patienceMs) / Math.max(patienceMs, age));
  }

  #standsAt(now: number): boolean {
    return this.#stands !== null && now - this.#stands.at <= backlogOverMs;
  }
}
