import type { ConsentChanged, SubjectKey } from '@entente/contracts';

/** Both copies of a denial are published within this long of each other, unless a log is behind. */
const rememberedMs = 5_000;

interface Heard {
  readonly version: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/**
 * Denials this process has just stored: the other log's copy (REC-6) changes nothing and need not ask the database. Forgotten
 * whenever a transaction fails or the database is another one, for one that lost its newest commits must be told again.
 */
export class HeardDenials {
  readonly #versions = new Map<SubjectKey, Heard>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether every row of this person is known to stand at the change's version or a later one. */
  has({ subjectKey, version }: Pick<ConsentChanged, 'subjectKey' | 'version'>): boolean {
    const heard = this.#versions.get(subjectKey);
    return heard !== undefined && heard.version >= version && this.#monotonicMs() - heard.at < rememberedMs;
  }

  /** After the commit that holds them. */
  add(changes: readonly Pick<ConsentChanged, 'subjectKey' | 'version' | 'direction'>[]): void {
    const at = this.#monotonicMs();
    for (const { subjectKey, version, direction } of changes) {
      if (direction !== 'deny') continue;
      const before = this.#versions.get(subjectKey)?.version ?? 0;
      // Moved to the end: the map stays in the order of its times.
      this.#versions.delete(subjectKey);
      this.#versions.set(subjectKey, { version: Math.max(before, version), at });
    }
    for (const [subjectKey, heard] of this.#versions) {
      if (at - heard.at < rememberedMs) break;
      this.#versions.delete(subjectKey);
    }
  }

  forget(): void {
    this.#versions.clear();
  }

  /** What `stored` resolves to; if it fails, nothing is known any more. */
  async onlyIf<T>(stored: Promise<T>): Promise<T> {
    try {
      return await stored;
    } catch (error) {
      this.forget();
      throw error;
    }
  }
}
