interface Waiting<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One commit for everything that came while the one before was under way. Alone, nobody waits; together, a burst costs a
 * transaction instead of one each, and its members do not wait for each other's locks.
 */
export class GroupCommit<Item> {
  readonly #commit: (items: readonly Item[]) => Promise<void>;
  readonly #most: number;
  readonly #weightOf: (item: Item) => number;
  readonly #rest: (weight: number) => Promise<void>;
  #waiting: Waiting<Item>[] = [];
  #running = false;

  /**
   * @param most weight of one commit; an item that is heavier goes alone
   * @param rest what is waited for before the next commit, after one of that weight: more may gather meanwhile
   */
  constructor(
    most: number,
    commit: (items: readonly Item[]) => Promise<void>,
    weightOf: (item: Item) => number = () => 1,
    rest: (weight: number) => Promise<void> = () => Promise.resolve(),
  ) {
    this.#most = most;
    this.#commit = commit;
    this.#weightOf = weightOf;
    this.#rest = rest;
  }

  /** Resolves when the item is committed; rejects with what failed it, never with what failed another. */
  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const { group, weight } = this.#next();
      // Each alone after a failure, and all at once: one that cannot be committed, or waits for a lock, holds up no other.
      if (!(await this.#tried(group, group.length === 1)))
        await Promise.all(group.map((one) => this.#tried([one], true)));
      await this.#rest(weight);
    }
    this.#running = false;
  }

  #next(): { readonly group: readonly Waiting<Item>[]; readonly weight: number } {
    let [count, weight] = [0, 0];
    for (const { item } of this.#waiting) {
      const more = this.#weightOf(item);
      if (count > 0 && weight + more > this.#most) break;
      [count, weight] = [count + 1, weight + more];
    }
    return { group: this.#waiting.splice(0, count), weight };
  }

  async #tried(group: readonly Waiting<Item>[], last: boolean): Promise<boolean> {
    try {
      await this.#commit(group.map(({ item }) => item));
    } catch (error) {
      if (last) for (const { reject } of group) reject(error);
      return last;
    }
    for (const { resolve } of group) resolve();
    return true;
  }
}
