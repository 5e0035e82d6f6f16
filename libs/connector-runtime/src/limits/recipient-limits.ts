import type { Clock } from '@entente/observability';
import { setTimeout as pause } from 'node:timers/promises';
import {
  admit,
  circuitPolicy,
  closedCircuit,
  onAnswer,
  onFailure,
  type Circuit,
  type CircuitPolicy,
} from './circuit-breaker.ts';
import { freshRate, pauseUntil, takeCall, takeSpareCall, type RateBudget, type RateState } from './rate-limiter.ts';

export interface RecipientLimitsOptions extends RateBudget {
  readonly concurrency: number;
}

/** Permission for one piece of work at a partner; given back exactly once. */
export interface Slot {
  /** @param answered false when the partner gave no answer or an error of its own (circuit breaker) */
  release(answered: boolean): void;
  /** Nothing was done with it: the breaker learns nothing. */
  forgo(): void;
}

/**
 * One recipient's rate budget, concurrency and circuit breaker, shared by revocations and shares. Revocations are
 * admitted first: a share waits while a revocation waits.
 */
export class RecipientLimits {
  readonly #options: RecipientLimitsOptions;
  readonly #clock: Clock;
  readonly #policy: CircuitPolicy;
  readonly #waiting: { readonly revocation: boolean; readonly start: (slot: Slot) => void }[] = [];
  #rate: RateState;
  #circuit: Circuit = closedCircuit;
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RecipientLimitsOptions, clock: Clock, policy: CircuitPolicy = circuitPolicy) {
    this.#options = options;
    this.#clock = clock;
    this.#policy = policy;
    this.#rate = freshRate(options, clock.monotonic());
  }

  get circuitOpen(): boolean {
    return this.#circuit.kind !== 'closed';
  }

  /** A free slot now, or null. Whoever comes back for it later finds it taken by those who wait: see `take`. */
  tryTake(): Slot | null {
    const now = this.#clock.monotonic();
    if (this.#running >= this.#options.concurrency || now < this.#rate.pausedUntil) return null;
    const before = this.#circuit;
    const admission = admit(before, this.#policy, now);
    this.#circuit = admission.circuit;
    return admission.admitted ? this.#slot(before) : null;
  }

  /** Spends one HTTP request of the budget, waiting for it. @returns false when `signal` aborted first */
  async spendRequest(signal: AbortSignal): Promise<boolean> {
    const { waitMs, state } = takeCall(this.#rate, this.#options, this.#clock.monotonic());
    this.#rate = state;
    for (let ms = waitMs; ms > 0; ms = this.#rate.pausedUntil - this.#clock.monotonic())
      // The partner may ask for silence while a call waits for its turn.
      if (!(await pause(ms, true, { signal, ref: false }).catch(() => false))) return false;
    return !signal.aborted;
  }

  /** As `spendRequest`, of what those who hurry leave over. */
  async spendSpareRequest(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const taken = takeSpareCall(this.#rate, this.#options, this.#clock.monotonic());
      if ('state' in taken) {
        this.#rate = taken.state;
        return true;
      }
      if (!(await pause(taken.waitMs, true, { signal, ref: false }).catch(() => false))) return false;
    }
    return false;
  }

  /** Waits for a slot; resolves to null when `signal` aborts first. */
  async take(kind: 'revocation' | 'share' | 'question', signal: AbortSignal): Promise<Slot | null> {
    if (signal.aborted) return null;
    return new Promise((resolve) => {
      const entry = { revocation: kind === 'revocation', start: (slot: Slot) => settle(slot) };
      const settle = (slot: Slot | null): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(slot);
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        settle(null);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(entry);
      this.#serve();
    });
  }

  /** The partner asked for silence: Retry-After, an exhausted quota. */
  pauseFor(ms: number): void {
    this.#rate = pauseUntil(this.#rate, this.#clock.monotonic() + ms);
  }

  /** When `tryTake` may succeed again, in milliseconds from now. */
  get retryInMs(): number {
    const now = this.#clock.monotonic();
    const admission = admit(this.#circuit, this.#policy, now);
    const forCircuit = admission.admitted ? 0 : admission.retryInMs;
    return Math.max(forCircuit, this.#rate.pausedUntil - now, 0);
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const slot = this.tryTake();
      if (slot === null) return this.#serveLater();
      const first = this.#waiting.findIndex(({ revocation }) => revocation);
      const [next] = this.#waiting.splice(Math.max(first, 0), 1);
      next?.start(slot);
    }
  }

  #serveLater(): void {
    // With all slots taken the next release serves; else time does.
    if (this.#running >= this.#options.concurrency) return;
    // What was reckoned before may be too late: a probe that failed waits for less than one that was under way.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#serve();
      },
      Math.max(1, this.retryInMs),
    );
    this.#timer.unref();
  }

  #slot(before: Circuit): Slot {
    this.#running += 1;
    let held = true;
    const giveBack = (circuit: () => Circuit): void => {
      if (!held) return;
      held = false;
      this.#running -= 1;
      this.#circuit = circuit();
      this.#serve();
    };
    return {
      release: (answered) =>
        giveBack(() => (answered ? onAnswer() : onFailure(this.#circuit, this.#policy, this.#clock.monotonic()))),
      // An unused probe leaves the circuit as it was, so that the next one may probe at once.
      forgo: () => giveBack(() => (this.#circuit.kind === 'probing' ? before : this.#circuit)),
    };
  }
}
