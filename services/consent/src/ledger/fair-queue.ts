/** Whose a request is: a controller, and one subject of it. */
export interface Place {
  readonly lane: string;
  readonly key: string;
}

/** What was taken together; nothing more of a subject is taken until that subject is given back. */
export interface Taken<T> {
  /** In the order of their subjects' turns; each subject's requests in their order of arrival. */
  readonly subjects: readonly { readonly items: readonly T[]; readonly release: () => void }[];
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
    const taken: Portion<T>[] = [];
    let count = 0;
    let walks = [...this.#lanes].map(([lane, subjects]) => ({ lane, subjects, left: subjects.keys() }));
    while (count < most && walks.length > 0)
      walks = walks.filter((walk) => {
        const room = Math.min(itemsPerTurn, most - count);
        const { portions, ended } = this.#turn(walk, room);
        taken.push(...portions);
        count += portions.reduce((sum, { items }) => sum + items.length, 0);
        return !ended;
      });
    return { subjects: taken };
  }

  /** @returns what this lane gives, and whether it has no more */
  #turn({ lane, subjects, left }: Walk<T>, most: number): { portions: Portion<T>[]; ended: boolean } {
    const portions: Portion<T>[] = [];
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
      const items = waiting.splice(0, room);
      portions.push({ items, release: () => void this.#held.delete(held(lane, key)) });
      this.#held.add(held(lane, key));
      this.#count(lane, -items.length);
      room -= items.length;
      // What is left stands behind the others.
      subjects.delete(key);
      if (waiting.length > 0) subjects.set(key, waiting);
    }
    if (room < most) {
      // The next transaction begins with somebody else.
      this.#lanes.delete(lane);
      if (subjects.size > 0) this.#lanes.set(lane, subjects);
    }
    return { portions, ended };
  }

  #count(lane: string, by: number): void {
    this.#size += by;
    const size = this.sizeOf(lane) + by;
    if (size > 0) this.#sizes.set(lane, size);
    else this.#sizes.delete(lane);
  }
}

type Portion<T> = Taken<T>['subjects'][number];

interface Walk<T> {
  readonly lane: string;
  readonly subjects: Map<string, T[]>;
  readonly left: Iterator<string, undefined>;
}

const held = (lane: string, key: string): string => `${lane}\0${key}`;
