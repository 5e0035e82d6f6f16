import type { Clock } from '@entente/observability';
import { FairQueue, type Place } from './fair-queue.ts';

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

/** Requests of one subject, each tried alone and the next only after it; until the last has ended nothing newer of theirs is. */
interface Chain<C, R> {
  readonly rest: Waiting<C, R>[];
  readonly release: () => void;
}

/**
 * Group commit (REC-2): an idle system commits at once; while a transaction is in flight, what arrives within
 * `coalesceMs` shares the next one. A failed batch is retried one by one, each subject's requests in their order of arrival.
 */
export class Batcher<C, R> {
  readonly #options: BatcherOptions<C, R>;
  readonly #queue = new FairQueue<Waiting<C, R>>();
  readonly #alone: Chain<C, R>[] = [];
  #inFlight = 0;
  /** Of each controller, how many failed in company and are tried again alone, now or after their pause. */
  readonly #retrying = new Map<string, number>();
  #timerRuns = false;

  constructor(options: BatcherOptions<C, R>) {
    this.#options = options;
  }

  submit(command: C): Promise<R> {
    const { maxQueued, placeOf, overloaded, clock } = this.#options;
    const place = placeOf(command);
    const queued = this.#queue.sizeOf(place.lane) + (this.#retrying.get(place.lane) ?? 0);
    if (queued >= maxQueued) return Promise.reject(overloaded());
    return new Promise<R>((resolve, reject) => {
      this.#queue.push(place, { command, lane: place.lane, arrivedAt: clock.monotonic(), resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    const { concurrency } = this.#options;
    while (this.#inFlight < concurrency) {
      const work = this.#next();
      if (work === null) return;
      this.#inFlight += 1;
      void work().finally(() => {
        this.#inFlight -= 1;
        this.#pump();
      });
    }
  }

  #next(): (() => Promise<void>) | null {
    const { maxBatch, coalesceMs, clock } = this.#options;
    const chain = this.#alone.shift();
    if (chain !== undefined) return () => this.#runAlone(chain);
    const heads = this.#queue.heads();
    if (heads.length === 0) return null;
    const waited = clock.monotonic() - Math.min(...heads.map(({ arrivedAt }) => arrivedAt));
    if (this.#inFlight > 0 && this.#queue.size < maxBatch && waited < coalesceMs) {
      this.#pumpIn(coalesceMs - waited);
      return null;
    }
    const { subjects } = this.#queue.take(maxBatch);
    return () => this.#runTogether(subjects.map(({ items, release }) => ({ rest: [...items], release })));
  }

  #pumpIn(ms: number): void {
    if (this.#timerRuns) return;
    this.#timerRuns = true;
    setTimeout(() => {
      this.#timerRuns = false;
      this.#pump();
    }, ms);
  }

  async #runTogether(chains: readonly Chain<C, R>[]): Promise<void> {
    const failure = await this.#failureOf(chains.flatMap(({ rest }) => rest));
    if (failure === null) for (const { release } of chains) release();
    else {
      for (const { rest } of chains) for (const { lane } of rest) this.#countRetrying(lane, 1);
      const [only] = chains;
      if (only !== undefined && chains.length === 1 && only.rest.length === 1) this.#headFailed(only, failure.error);
      else this.#alone.push(...chains);
    }
  }

  async #runAlone(chain: Chain<C, R>): Promise<void> {
    const failure = await this.#failureOf(chain.rest.slice(0, 1));
    if (failure === null) this.#headEnded(chain);
    else this.#headFailed(chain, failure.error);
  }

  /** Commits these together and answers each; null when it has. */
  async #failureOf(batch: readonly Waiting<C, R>[]): Promise<{ readonly error: unknown } | null> {
    try {
      const results = await this.#options.commit(batch.map(({ command }) => command));
      if (results.length !== batch.length) throw new Error('not one result for each request');
      results.forEach((result, index) => batch[index]?.resolve(result));
      return null;
    } catch (error) {
      return { error };
    }
  }

  #headFailed(chain: Chain<C, R>, error: unknown): void {
    const { failureOf, gaveUp, deadlineMs, clock, random = Math.random } = this.#options;
    const [head] = chain.rest;
    if (head === undefined) return;
    const isFinal = failureOf(error) === 'final';
    if (isFinal || clock.monotonic() - head.arrivedAt > deadlineMs) {
      head.reject(isFinal ? error : gaveUp(error));
      return this.#headEnded(chain);
    }
    const pauseMs = retryPauseMs.least + random() * (retryPauseMs.most - retryPauseMs.least);
    setTimeout(() => {
      this.#alone.push(chain);
      this.#pump();
    }, pauseMs);
  }

  /** The subject's next, or, after the last, whatever arrived meanwhile. */
  #headEnded(chain: Chain<C, R>): void {
    const head = chain.rest.shift();
    if (head !== undefined) this.#countRetrying(head.lane, -1);
    if (chain.rest.length > 0) this.#alone.push(chain);
    else chain.release();
  }

  #countRetrying(lane: string, by: number): void {
    const count = (this.#retrying.get(lane) ?? 0) + by;
    if (count > 0) this.#retrying.set(lane, count);
    else this.#retrying.delete(lane);
  }
}
