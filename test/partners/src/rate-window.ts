export interface Rate {
  readonly requests: number;
  readonly perMs: number;
}

export interface RateReading {
  readonly allowed: boolean;
  readonly rate: Rate;
  readonly remaining: number;
  /** Until the oldest counted request leaves the window. */
  readonly waitMs: number;
}

/** A rolling window: at most `requests` admitted in any `perMs`. */
export class RateWindow {
  readonly #rate: Rate;
  #admitted: number[] = [];

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  take(nowMs: number): RateReading {
    this.#admitted = this.#admitted.filter((at) => at > nowMs - this.#rate.perMs);
    const allowed = this.#admitted.length < this.#rate.requests;
    if (allowed) this.#admitted.push(nowMs);
    const waitMs = Math.max(0, (this.#admitted[0] ?? nowMs) + this.#rate.perMs - nowMs);
    return { allowed, rate: this.#rate, remaining: this.#rate.requests - this.#admitted.length, waitMs };
  }
}

/** `190/10000` = 190 requests per 10,000 ms. */
export function parseRate(value: string): Rate {
  const [requests, perMs] = value.split('/').map(Number);
  if (requests === undefined || perMs === undefined || !(requests > 0) || !(perMs > 0))
    throw new Error(`rate must read REQUESTS/MS, e.g. 190/10000, got ${value}`);
  return { requests, perMs };
}
