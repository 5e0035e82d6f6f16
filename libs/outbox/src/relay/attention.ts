import type { RelayTiming } from './timing.ts';

/**
 * How soon a lane looks again without being told. Hints normally say all there is, and each look costs a transaction; a row
 * that was found untold shows that they do not (a writer died before its hint, the listener is away, another instance wrote
 * it), and for a while the lane looks as often as it must then.
 */
export class Attention {
  readonly #timing: Pick<RelayTiming, 'pollMs' | 'trustingPollMs' | 'doubtMs'>;
  #doubtsUntil = Number.NEGATIVE_INFINITY;

  constructor(timing: Pick<RelayTiming, 'pollMs' | 'trustingPollMs' | 'doubtMs'>) {
    this.#timing = timing;
  }

  /** A look found rows of which no hint had told. */
  foundUntold(now: number): void {
    this.#doubtsUntil = now + this.#timing.doubtMs;
  }

  /** Milliseconds. */
  nextLook(now: number): number {
    return now < this.#doubtsUntil ? this.#timing.pollMs : this.#timing.trustingPollMs;
  }
}
