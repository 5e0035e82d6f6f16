/**
 * The only place that reads a clock. Pure code takes `now`; shells take a `Clock`.
 * The two readings are kept apart because wall time can be stepped and monotonic time cannot (GATE-2 counts by the greater).
 */
export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. May jump in either direction. */
  now(): number;
  /** Milliseconds, fractional, from an arbitrary origin. Never goes back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** A clock that a test moves by hand. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs: number;

  /** Both readings start where the test says; the origin of monotonic time carries no meaning. */
  constructor(wallMs = 1_800_000_000_000, monotonicMs = 1_000) {
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** Time passes: both readings move forward together. */
  advance(ms: number): void {
    if (!(ms >= 0))
      throw new RangeError(`time only passes forward, not by ${ms} ms; use stepWall to set the wall clock`);
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }

  /** Someone sets the wall clock (NTP step, resumed host); monotonic time does not notice. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }
}
