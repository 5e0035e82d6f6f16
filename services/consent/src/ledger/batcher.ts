import type { Clock } from '@entente/observability';
import { FairQueue, type Place, type Taken } from './fair-queue.ts';

/** What to do after a failed commit: a fault of the request itself, or something that passes. */
export type FailureKind = 'passing' | 'final';

export interface BatcherOptions<C, R> {
  /** One transaction for all of them; results in the same order. */
  readonly commit: (batch: readonly C[]) => Promise<readonly R[]>;
  readonly failureOf: (error: unknown) => FailureKind;
  /** Gives up on a request whose failures have not passed within `deadlineMs`. */
  readonly gaveUp: (lastError: unknown) => Error;
  readonly overloaded: () => Error;
  /** Transactions open at once; as many as the pool has connections. */
  readonly concurrency: number;
  readonly maxBatch: number;
  /** Longest wait for company, in milliseconds, and only while a transaction is in flight (REC-2). */
  readonly coalesceMs: number;
  readonly deadlineMs: number;
  /** Of one controller: another's flood refuses nobody. */
  readonly maxQueued: number;
  readonly placeOf: (command: C) => Place;
  readonly clock: Clock;
  readonly random?: () => number;
}

interface Waiting<C, R> {
  readonly command: C;
  readonly lane: string;
  readonly arrivedAt: number;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** Pause before a failed request is tried again alone, in milliseconds: less than a lock is held, more than a hiccup. */
const retryPauseMs = { least: 5, most: 60 };

/**
 * Group commit (REC-2): an idle system commits at once; while a transaction is in flight, what arrives within
 * `coalesceMs` shares the next one. A failed batch is retried one by one.
 */
export class Batcher<C, R> {
  readonly #options: BatcherOptions<C, R>;
  readonly #queue = new FairQueue<Waiting<C, R>>();
  #alone: Waiting<C, R>[] = [];
  #inFlight = 0;
  /** Of each controller, what failed in company and is tried again alone, now or after its pause. */
  readonly #retrying = new Map<string, Set<Waiting<C, R>>>();
  #timerRuns = false;

  constructor(options: BatcherOptions<C, R>) {
    this.#options = options;
  }

  submit(command: C): Promise<R> {
    const { maxQueued, placeOf, overloaded, clock } = this.#options;
    const place = placeOf(command);
    const queued = this.#queue.sizeOf(place.lane) + (this.#retrying.get(place.lane)?.size ?? 0);
    if (queued >= maxQueued) return Promise.reject(overloaded());
    return new Promise<R>((resolve, reject) => {
      this.#queue.push(place, { command, lane: place.lane, arrivedAt: clock.monotonic(), resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    const { concurrency } = this.#options;
    while (this.#inFlight < concurrency) {
      const batch = this.#nextBatch();
      if (batch === null) return;
      this.#inFlight += 1;
      void this.#run(batch.items).finally(() => {
        this.#inFlight -= 1;
        batch.release();
        this.#pump();
      });
    }
  }

  #nextBatch(): Taken<Waiting<C, R>> | null {
    const { maxBatch, coalesceMs, clock } = this.#options;
    const single = this.#alone.shift();
    if (single !== undefined) return { items: [single], release: () => undefined };
    const heads = this.#queue.heads();
    if (heads.length === 0) return null;
    const waited = clock.monotonic() - Math.min(...heads.map(({ arrivedAt }) => arrivedAt));
    if (this.#inFlight > 0 && this.#queue.size < maxBatch && waited < coalesceMs) {
      this.#pumpIn(coalesceMs - waited);
      return null;
    }
    return this.#queue.take(maxBatch);
  }

  #pumpIn(ms: number): void {
    if (this.#timerRuns) return;
    this.#timerRuns = true;
    setTimeout(() => {
      this.#timerRuns = false;
      this.#pump();
    }, ms);
  }

  async #run(batch: readonly Waiting<C, R>[]): Promise<void> {
    try {
      const results = await this.#options.commit(batch.map(({ command }) => command));
      if (results.length !== batch.length) throw new Error('not one result for each request');
      results.forEach((result, index) => batch[index]?.resolve(result));
      for (const waiting of batch) this.#ended(waiting);
    } catch (error) {
      if (batch.length > 1) for (const waiting of batch) this.#again(waiting);
      else for (const waiting of batch) this.#failed(waiting, error);
    }
  }

  #failed(waiting: Waiting<C, R>, error: unknown): void {
    const { failureOf, gaveUp, deadlineMs, clock, random = Math.random } = this.#options;
    const isFinal = failureOf(error) === 'final';
    if (isFinal || clock.monotonic() - waiting.arrivedAt > deadlineMs) {
      this.#ended(waiting);
      return waiting.reject(isFinal ? error : gaveUp(error));
    }
    const pauseMs = retryPauseMs.least + random() * (retryPauseMs.most - retryPauseMs.least);
    this.#counted(waiting);
    setTimeout(() => {
      this.#again(waiting);
      this.#pump();
    }, pauseMs);
  }

  #again(waiting: Waiting<C, R>): void {
    this.#counted(waiting);
    this.#alone.push(waiting);
  }

  #counted(waiting: Waiting<C, R>): void {
    const retrying = this.#retrying.get(waiting.lane) ?? new Set();
    this.#retrying.set(waiting.lane, retrying.add(waiting));
  }

  #ended(waiting: Waiting<C, R>): void {
    const retrying = this.#retrying.get(waiting.lane);
    if (retrying?.delete(waiting) === true && retrying.size === 0) this.#retrying.delete(waiting.lane);
  }
}
