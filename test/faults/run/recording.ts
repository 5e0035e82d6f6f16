import type { HistoryEvent } from '../checker/index.ts';

/** Everything the harness sees, in the order in which it sees it. */
export class Recording {
  readonly events: HistoryEvent[] = [];
  #ops = 0;

  add(...events: readonly HistoryEvent[]): void {
    this.events.push(...events);
  }

  nextOp(): string {
    return `op-${(this.#ops += 1)}`;
  }
}
