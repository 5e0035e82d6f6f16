import type { GateConfirmed, GateSignedOff, GateStartId, SubjectKey } from '@entente/contracts';

/** One gate start that a `wait=gates` answer waits for. */
interface Waiter {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly open: Set<GateStartId>;
  readonly done: () => void;
}

/**
 * GATE-6: which gate start has confirmed which version. A confirmation may come before the waiting request has read the
 * gate table, so the recent ones are kept, up to a fixed number; one forgotten too early only makes somebody wait longer.
 */
export class Confirmations {
  readonly #keep: number;
  /** `start subjectKey` → highest version confirmed; oldest first. */
  readonly #recent = new Map<string, number>();
  readonly #ended = new Set<GateStartId>();
  readonly #waiting = new Map<SubjectKey, Set<Waiter>>();

  constructor(keep = 20_000) {
    this.#keep = keep;
  }

  confirm({ start, confirmed }: Pick<GateConfirmed, 'start' | 'confirmed'>): void {
    for (const { subjectKey, version } of confirmed) {
      const key = `${start} ${subjectKey}`;
      const highest = Math.max(version, this.#recent.get(key) ?? 0);
      this.#recent.delete(key);
      this.#recent.set(key, highest);
      for (const waiter of this.#waiting.get(subjectKey) ?? []) if (highest >= waiter.version) settle(waiter, start);
    }
    this.#forget();
  }

  /** A start that has ended its leases sends nothing any more. */
  signOff({ ended }: Pick<GateSignedOff, 'ended'>): void {
    this.#ended.add(ended);
    for (const waiters of this.#waiting.values()) for (const waiter of waiters) settle(waiter, ended);
    this.#forget();
  }

  /**
   * Resolves with how many of these starts have confirmed the version (or ended), when all have or when `deadline` is
   * aborted.
   */
  async waitFor(
    starts: readonly GateStartId[],
    subjectKey: SubjectKey,
    version: number,
    deadline: AbortSignal,
  ): Promise<number> {
    const open = new Set(starts.filter((start) => !this.#has(start, subjectKey, version)));
    if (open.size > 0 && !deadline.aborted) {
      await new Promise<void>((resolve) => {
        const waiter: Waiter = { subjectKey, version, open, done: resolve };
        const others = this.#waiting.get(subjectKey) ?? new Set();
        this.#waiting.set(subjectKey, others.add(waiter));
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
      this.#leave(subjectKey, open);
    }
    return starts.length - open.size;
  }

  #has(start: GateStartId, subjectKey: SubjectKey, version: number): boolean {
    return this.#ended.has(start) || (this.#recent.get(`${start} ${subjectKey}`) ?? 0) >= version;
  }

  #leave(subjectKey: SubjectKey, open: ReadonlySet<GateStartId>): void {
    const waiters = this.#waiting.get(subjectKey);
    for (const waiter of waiters ?? []) if (waiter.open === open) waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiting.delete(subjectKey);
  }

  #forget(): void {
    dropOldest(this.#recent.keys(), this.#recent.size - this.#keep, (key) => this.#recent.delete(key));
    dropOldest(this.#ended.values(), this.#ended.size - this.#keep, (start) => this.#ended.delete(start));
  }
}

function settle(waiter: Waiter, start: GateStartId): void {
  if (waiter.open.delete(start) && waiter.open.size === 0) waiter.done();
}

function dropOldest<T>(keys: Iterable<T>, count: number, drop: (key: T) => void): void {
  let left = count;
  for (const key of keys) {
    if (left <= 0) return;
    drop(key);
    left -= 1;
  }
}
