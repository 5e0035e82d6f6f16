import type { HistoryEvent } from '../checker/index.ts';

/** Everything the harness sees, in the order in which it sees it. */
export class Recording {
  readonly events: HistoryEvent[] = [];
  /** Faults that found nothing to strike, and how often. */
  readonly misses = new Map<string, number>();
  /** Processes that did not end when told to: never right, on any machine. */
  readonly unending: string[] = [];
  /** Processes that ended by themselves where they should have waited: never right either. */
  readonly crashed: string[] = [];
  #ops = 0;

  add(...events: readonly HistoryEvent[]): void {
    this.events.push(...events);
  }

  missed(fault: string): void {
    this.misses.set(fault, (this.misses.get(fault) ?? 0) + 1);
  }

  nextOp(): string {
    return `op-${(this.#ops += 1)}`;
  }
}
