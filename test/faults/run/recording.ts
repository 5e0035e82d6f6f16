import type { HistoryEvent } from '../checker/index.ts';
import { monotonicMs } from './clock.ts';

/** Everything the harness sees, in the order in which it sees it. */
export class Recording {
  readonly events: HistoryEvent[] = [];
  /** Faults that found nothing to strike, and how often. */
  readonly misses = new Map<string, number>();
  /** Processes that did not end when told to: never right, on any machine. */
  readonly unending: string[] = [];
  /** Processes that ended by themselves where they should have waited: never right either. */
  readonly crashed: string[] = [];
  /** What the harness could not undo: the system was never left alone with what was to be healed. */
  readonly unhealed: string[] = [];
  /** What is being done to the system just now and since when, milliseconds of the history's clock. */
  readonly underWay = new Map<string, number>();
  #ops = 0;

  add(...events: readonly HistoryEvent[]): void {
    this.events.push(...events);
  }

  /** Does it, and can tell meanwhile that it is not done yet. */
  async during<T>(what: string, act: () => Promise<T>): Promise<T> {
    this.underWay.set(what, monotonicMs());
    try {
      return await act();
    } finally {
      this.underWay.delete(what);
    }
  }

  /** What has been under way for longer than that, with its seconds. */
  longerThan(ms: number): string[] {
    const now = monotonicMs();
    return [...this.underWay]
      .filter(([, since]) => now - since > ms)
      .map(([what, since]) => `${what} for ${((now - since) / 1000).toFixed(0)} s`);
  }

  missed(fault: string): void {
    this.misses.set(fault, (this.misses.get(fault) ?? 0) + 1);
  }

  nextOp(): string {
    return `op-${(this.#ops += 1)}`;
  }
}
