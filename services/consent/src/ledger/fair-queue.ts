/** Whose a request is: a controller, and one subject of it. */
export interface Place {
  readonly lane: string;
  readonly key: string;
}

/** What was taken together; nothing more of the same subjects is taken until it is given back. */
export interface Taken<T> {
  readonly items: readonly T[];
  release(): void;
}

/** A lane's turn, and most of one subject in one transaction: its own versions and rows are written one after the other. */
const itemsPerTurn = 20;

/**
 * What waits for a transaction. Nobody's burst stands in another's way: controllers take turns; one subject is in one
 * transaction at a time, so that the others never wait for its row; and its requests keep their order of arrival (REC-2).
 */
export class FairQueue<T> {
  readonly #lanes = new Map<string, Map<string, T[]>>();
  readonly #sizes = new Map<string, number>();
  readonly #held = new Set<string>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(lane: string): number {
    return this.#sizes.get(lane) ?? 0;
  }

  push({ lane, key }: Place, item: T): void {
    const subjects = this.#lanes.get(lane) ?? new Map<string, T[]>();
    this.#lanes.set(lane, subjects);
    const waiting = subjects.get(key);
    if (waiting) waiting.push(item);
    else subjects.set(key, [item]);
    this.#count(lane, 1);
  }

  /** The first of each lane that could be taken now. */
  heads(): T[] {
    return [...this.#lanes].flatMap(([lane, subjects]) => {
      for (const [key, [first]] of subjects)
        if (first !== undefined && !this.#held.has(held(lane, key))) return [first];
      return [];
    });
  }

  take(most: number): Taken<T> {
    const items: T[] = [];
    const keys: string[] = [];
    let walks = [...this.#lanes].map(([lane, subjects]) => ({ lane, subjects, left: subjects.keys() }));
    while (items.length < most && walks.length > 0)
      walks = walks.filter((walk) => this.#turn(walk, Math.min(itemsPerTurn, most - items.length), items, keys));
    return {
      items,
      release: () => {
        for (const key of keys) this.#held.delete(key);
      },
    };
  }

  /** @returns whether this lane may have more */
  #turn({ lane, subjects, left }: Walk<T>, most: number, items: T[], keys: string[]): boolean {
    let room = most;
    let ended = false;
    while (room > 0 && !ended) {
      const { value: key, done } = left.next();
      if (done === true) {
        ended = true;
        continue;
      }
      const waiting = subjects.get(key);
      if (waiting === undefined || this.#held.has(held(lane, key))) continue;
      const taken = waiting.splice(0, room);
      items.push(...taken);
      keys.push(held(lane, key));
      this.#held.add(held(lane, key));
      this.#count(lane, -taken.length);
      room -= taken.length;
      // What is left stands behind the others.
      subjects.delete(key);
      if (waiting.length > 0) subjects.set(key, waiting);
    }
    if (room < most) {
      // The next transaction begins with somebody else.
      this.#lanes.delete(lane);
      if (subjects.size > 0) this.#lanes.set(lane, subjects);
    }
    return !ended;
  }

  #count(lane: string, by: number): void {
    this.#size += by;
    const size = this.sizeOf(lane) + by;
    if (size > 0) this.#sizes.set(lane, size);
    else this.#sizes.delete(lane);
  }
}

interface Walk<T> {
  readonly lane: string;
  readonly subjects: Map<string, T[]>;
  readonly left: Iterator<string, undefined>;
}

const held = (lane: string, key: string): string => `${lane}\0${key}`;
