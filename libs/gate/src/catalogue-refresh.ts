import type { Clock, Logger } from '@entente/observability';
import type { ConsentApi } from './consent-api.ts';
import type { Follower } from './follower.ts';

/** The record that closes the distance usually comes by itself within this time (GATE-2, REC-9). */
const patienceMs = 300;
const lookMs = 100;
const longestPauseMs = 2000;

/** Asks the consent service for the whole catalogue when a watermark is ahead of ours, or a record was missing. */
export class CatalogueRefresh {
  readonly #from: { follower: Follower; api: ConsentApi; clock: Clock; log: Logger; signal: AbortSignal };
  #timer: NodeJS.Timeout | undefined;
  #behindSince: number | null = null;
  #asking = false;
  #hole = false;
  #notBefore = 0;
  #failures = 0;

  constructor(from: { follower: Follower; api: ConsentApi; clock: Clock; log: Logger; signal: AbortSignal }) {
    this.#from = from;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** REC-9: on any hole, ask at once. */
  hole(): void {
    this.#hole = true;
    void this.#look();
  }

  async #look(): Promise<void> {
    const { follower, clock } = this.#from;
    const now = clock.monotonic();
    const behind = follower.following && follower.catalogueNeeded > (follower.catalogue?.number ?? 0);
    this.#behindSince = behind ? (this.#behindSince ?? now) : null;
    const due = this.#hole || (this.#behindSince !== null && now - this.#behindSince >= patienceMs);
    if (!due || this.#asking || now < this.#notBefore) return;
    this.#asking = true;
    await this.#ask();
    this.#asking = false;
  }

  async #ask(): Promise<void> {
    const { follower, api, clock, log, signal } = this.#from;
    try {
      follower.replaceCatalogue(await api.catalogue(signal));
      this.#hole = false;
      this.#failures = 0;
      this.#notBefore = clock.monotonic() + patienceMs;
    } catch (err) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.#notBefore = clock.monotonic() + Math.min(longestPauseMs, lookMs * 2 ** this.#failures);
      log.warn(
        { err, failures: this.#failures },
        'catalogue not refreshed; gate stays closed where it needs a newer one',
      );
    }
  }
}
