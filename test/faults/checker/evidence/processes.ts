import type { ProcessStarted } from '../history.ts';
import type { ByKind } from './by-kind.ts';
import { entry, lastWhile } from './intervals.ts';

/** Which start of a process was running when, and when it was gone. */
export class Processes {
  readonly #starts = new Map<string, ProcessStarted[]>();
  readonly #ends = new Map<string, number[]>();
  readonly #processOfStart = new Map<string, string>();

  constructor(events: ByKind) {
    for (const event of events.of('process.started')) {
      entry(this.#starts, event.process, () => []).push(event);
      if (event.start !== undefined) this.#processOfStart.set(event.start, event.process);
    }
    for (const event of events.of('process.ended')) entry(this.#ends, event.process, () => []).push(event.at);
  }

  /** The newest start of this process at or before `at`. */
  startAt(process: string, at: number): ProcessStarted | undefined {
    return lastWhile(this.#starts.get(process) ?? [], (start) => start.at <= at);
  }

  processOf(start: string): string | undefined {
    return this.#processOfStart.get(start);
  }

  /** When it ended in [from, to], if it did. */
  endIn(process: string, from: number, to: number): number | undefined {
    const end = lastWhile(this.#ends.get(process) ?? [], (at) => at <= to);
    return end !== undefined && end >= from ? end : undefined;
  }
}
