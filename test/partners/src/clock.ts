/** One moment read twice: `ns` is CLOCK_MONOTONIC (comparable between processes of one host), `ms` is the wall clock. */
export interface Stamp {
  readonly ns: string;
  readonly ms: number;
}

/** A byte that was noticed at that moment, and may have come so many nanoseconds earlier (`Lateness`). */
export interface FirstByte extends Stamp {
  readonly lateNs: string;
}

/** The real moment. The journal always uses this, whatever the partner's own clock was told. */
export const stamp = (): Stamp => ({ ns: process.hrtime.bigint().toString(), ms: Date.now() });

/** The clock the partner lives by: real time plus what tests advanced it by, for its asynchronous jobs. */
export class PartnerClock {
  #aheadMs = 0;

  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }
}

export const iso = (ms: number): string => new Date(ms).toISOString();
