import type { Clock } from '@entente/observability';
import type { ClockOffset } from '@entente/postgres';

interface Measured {
  readonly offset: ClockOffset;
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * This host's wall clock against the database's. Between two measurements it may be stepped, and everything told in database
 * time would be as far off: which send left before which withdrawal, when a gate closed. So what the wall clock has gained since
 * the measurement and monotonic time has not is counted as a step. A host that slept looks the same: the error covers both.
 */
export class MeasuredClock {
  readonly #clock: Clock;
  #measured: Measured | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Just now. */
  measured(offset: ClockOffset): void {
    this.#measured = { offset, wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
  }

  /** Of a reading of the wall clock made in this tick; undefined before the first measurement. */
  get offset(): ClockOffset | undefined {
    if (this.#measured === undefined) return undefined;
    const { offset, wall, monotonic } = this.#measured;
    const steppedMs = this.#clock.now() - wall - (this.#clock.monotonic() - monotonic);
    return { offsetMs: offset.offsetMs + steppedMs, errorMs: offset.errorMs + Math.abs(steppedMs) };
  }
}
