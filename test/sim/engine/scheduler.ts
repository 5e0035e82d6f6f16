import type { SimProcess } from './sim-process.ts';

/** One thing that will happen. */
export interface Happening {
  at: number;
  readonly order: number;
  readonly owner: SimProcess | null;
  readonly life: number;
  readonly run: () => void;
  /** Settles no promise: what follows may happen at once, without a look for what awaits it. */
  readonly silent: boolean;
  cancelled: boolean;
}

/** Events between two looks at the clock of the run: enough to make the real event loop's own cost small. */
const eventsPerTurn = 256;

/** Kept before anything is replaced: the only real timer of a simulation. */
const realSetImmediate = globalThis.setImmediate;

/**
 * Virtual time. One event at a time; after each, the real event loop drains the microtasks it left, so shipped async code
 * runs to where it waits for something virtual. Whatever it schedules belongs to the process whose event is being handled.
 */
export class Scheduler {
  /** True time, virtual milliseconds from the beginning of the run. */
  now = 0;
  current: SimProcess | null = null;
  handled = 0;
  readonly #heap: Happening[] = [];
  #order = 0;
  #failure: unknown;
  #failed = false;

  /** What is scheduled for a process does not happen once that life of it is over. */
  at(instant: number, run: () => void, owner: SimProcess | null = this.current): Happening {
    return this.#add(instant, run, owner, false);
  }

  /** Something in the world outside all processes that settles no promise: a server's or a broker's work. */
  atSilently(instant: number, run: () => void): Happening {
    return this.#add(instant, run, null, true);
  }

  after(ms: number, run: () => void, owner: SimProcess | null = this.current): Happening {
    return this.at(this.now + ms, run, owner);
  }

  /** Ends the run with this error. */
  fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
  }

  /** Lets everything up to `end` happen. */
  async runUntil(end: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let left = 0;
      const turn = (): void => {
        left = eventsPerTurn;
        for (let index = 0; index < eventsPerTurn; index += 1) realSetImmediate(one);
      };
      const one = (): void => {
        if (left <= 0) return;
        left -= 1;
        if (this.#failed) {
          left = 0;
          return reject(this.#failure instanceof Error ? this.#failure : new Error('failed', { cause: this.#failure }));
        }
        if (!this.#step(end)) {
          left = 0;
          this.now = end;
          this.current = null;
          return resolve();
        }
        if (left === 0) turn();
      };
      turn();
    });
  }

  #add(instant: number, run: () => void, owner: SimProcess | null, silent: boolean): Happening {
    const happening: Happening = {
      at: Math.max(instant, this.now),
      order: (this.#order += 1),
      owner,
      life: owner?.life ?? 0,
      run,
      silent,
      cancelled: false,
    };
    this.#push(happening);
    return happening;
  }

  /** The next that may settle promises, and all silent ones before it. @returns false when nothing is left up to `end` */
  #step(end: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) return false;
      this.#pop();
      const { owner } = next;
      if (next.cancelled || (owner !== null && owner.life !== next.life)) continue;
      if (owner !== null && owner.pausedUntil > next.at) {
        // The same object, so that who holds it can still cancel it.
        this.#push(Object.assign(next, { at: owner.pausedUntil }));
        continue;
      }
      this.now = next.at;
      this.current = owner;
      this.handled += 1;
      try {
        next.run();
      } catch (error) {
        this.fail(error);
      }
      if (!next.silent || this.#failed) return true;
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.push(happening) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(happening, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = happening;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] ?? right)) child += 1;
      const smaller = heap[child];
      if (smaller === undefined || !before(smaller, last)) break;
      heap[index] = smaller;
      index = child;
    }
    heap[index] = last;
  }
}

const before = (a: Happening, b: Happening): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
