import { setTimeout as timeout } from 'node:timers/promises';
import { Refusal } from '@entente/http';
import type { Clock } from '@entente/observability';

export interface PaceParts {
  readonly rowsPerSecond: number;
  readonly clock: Clock;
  /** REC-6. */
  readonly isCrowded: () => Promise<boolean>;
  /** Whether somebody has decided something for themselves just now. */
  readonly isLive: () => boolean;
  /** Milliseconds. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** Between two looks at a crowded lane, in milliseconds. */
const lookAgainMs = 50;
/** Longest wait for the relay before an import is told to come back; less than the import is its holder's. */
const longestWaitMs = 15_000;

/** A database that answers late, or not for a while, must not make the import lose its place (`ImportStore`), milliseconds. */
const longestRestMs = 1_000;

/**
 * Rows of one step, and the rest after it as a multiple of the time it took. Beside people who decide for themselves a step
 * is short, because they wait for it on the event loop, in the database and on the processors; and what it leads to, the
 * relay's, the connectors' and the tracker's work for its rows, takes three times as much again and has to fit into the rest.
 */
const steps = { besideLive: { rows: 20, rest: 3 }, alone: { rows: 400, rest: 0 } };

/**
 * The rate of all imports of this process together. Rows that would be recorded faster wait, and with them the upload, so
 * that what people decide themselves keeps its pace; and none is recorded while the express lane is crowded (REC-6).
 */
export class Pace {
  readonly #parts: PaceParts;
  #nextAt = 0;
  /** The step before, however it ends. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(parts: PaceParts) {
    this.#parts = parts;
  }

  /** Most rows of the next step. */
  get stepRows(): number {
    return this.#step.rows;
  }

  /** Does the work for this many rows when its turn has come: beside live decisions one step at a time, of all imports. */
  step<T>(rows: number, work: () => Promise<T>): Promise<T> {
    const until = this.#parts.clock.monotonic() + longestWaitMs;
    const begin = (): Promise<T> => this.#stepped(rows, until, work);
    const begun = this.#parts.isLive() ? this.#before.then(begin) : begin();
    // Nothing is kept of what they answered.
    this.#before = Promise.allSettled([this.#before, begun]).then(() => undefined);
    return begun;
  }

  async #stepped<T>(rows: number, until: number, work: () => Promise<T>): Promise<T> {
    const { clock } = this.#parts;
    await this.#turn(rows, until);
    const began = clock.monotonic();
    try {
      return await work();
    } finally {
      const now = clock.monotonic();
      this.#nextAt = Math.max(this.#nextAt, now + Math.min(longestRestMs, (now - began) * this.#step.rest));
    }
  }

  get #step(): { readonly rows: number; readonly rest: number } {
    return this.#parts.isLive() ? steps.besideLive : steps.alone;
  }

  async #turn(rows: number, until: number): Promise<void> {
    const { clock, rowsPerSecond, isCrowded, pause = timeout } = this.#parts;
    const now = clock.monotonic();
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + (rows / rowsPerSecond) * 1_000;
    if (at > now) await pause(at - now);
    while (await isCrowded()) {
      if (clock.monotonic() > until) throw laneCrowded();
      await pause(lookAgainMs);
    }
  }
}

const laneCrowded = (): Refusal =>
  new Refusal(
    'urgent-lane-crowded',
    503,
    'Withdrawals are waiting for Kafka, so the import waits too; go on where it stands.',
    { headers: { 'retry-after': '5' } },
  );
