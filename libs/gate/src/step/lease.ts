import { timing } from '@entente/contracts';
import type { Clock } from '@entente/observability';

/** Both clocks read at one moment, milliseconds. Wall time may be stepped, monotonic time may stand while a host sleeps. */
export interface Reading {
  readonly wall: number;
  readonly monotonic: number;
}

export const read = (clock: Clock): Reading => ({ wall: clock.now(), monotonic: clock.monotonic() });

/** Time passed by the clock that says more (GATE-2): a step back of wall time and a slept monotonic clock both lose. */
const elapsedMs = (from: Reading, now: Reading): number =>
  Math.max(now.monotonic - from.monotonic, now.wall - from.wall);

/** GATE-2: a lease is worth `maxStaleness` − 50 ms from the sending of the beat that came back. Not above 0 = over. */
export const leaseRemainingMs = (beatSent: Reading | null, now: Reading): number =>
  beatSent === null ? 0 : timing.leaseMs - elapsedMs(beatSent, now);

/** Beats older than a lease earn nothing, so this many suffice at one per `beatMs`; the rest is margin. */
const remembered = 2 * Math.ceil(timing.leaseMs / timing.beatMs);

/** When each of this start's newest beats was sent; the only place a lease's beginning comes from. */
export class BeatLog {
  readonly #sent = new Map<number, Reading>();
  #last = 0;

  /** Numbers a beat; the reading must be taken before it is handed to Kafka. */
  send(now: Reading): number {
    this.#last += 1;
    this.#sent.set(this.#last, now);
    this.#sent.delete(this.#last - remembered);
    return this.#last;
  }

  /** Undefined for a beat that was never sent by this start, or so long ago that it earns nothing. */
  sentAt(number: number): Reading | undefined {
    return this.#sent.get(number);
  }
}
