/** Names the keys of one person while they are linked; a UUID, so that no key of a person is its name. */
export type CircleId = string;

/** Who is linked with whom, while a batch is folded. Members are named by `rowId`. */
export class Circles {
  readonly #circleOf: Map<string, CircleId>;
  readonly #newId: () => CircleId;
  /** Every member whose circle is another one now; null: none any more. */
  readonly changed = new Map<string, CircleId | null>();

  constructor(members: Iterable<readonly [string, CircleId | null]>, newId: () => CircleId) {
    this.#circleOf = new Map([...members].flatMap(([member, circle]) => (circle === null ? [] : [[member, circle]])));
    this.#newId = newId;
  }

  /** Everybody else in the member's circle, in key order. */
  others(member: string): string[] {
    const circle = this.#circleOf.get(member);
    if (circle === undefined) return [];
    return [...this.#circleOf.keys()]
      .filter((other) => other !== member && this.#circleOf.get(other) === circle)
      .sort();
  }

  areLinked(one: string, other: string): boolean {
    const circle = this.#circleOf.get(one);
    return one === other || (circle !== undefined && circle === this.#circleOf.get(other));
  }

  link(one: string, other: string): void {
    const circle = this.#circleOf.get(one) ?? this.#circleOf.get(other) ?? this.#newId();
    for (const member of [one, ...this.others(one), other, ...this.others(other)].filter(distinct))
      this.#put(member, circle);
  }

  /** Takes one out; a circle of one is none. */
  part(member: string): void {
    const [last, ...more] = this.others(member);
    this.#put(member, null);
    if (last !== undefined && more.length === 0) this.#put(last, null);
  }

  #put(member: string, circle: CircleId | null): void {
    if ((this.#circleOf.get(member) ?? null) === circle) return;
    if (circle === null) this.#circleOf.delete(member);
    else this.#circleOf.set(member, circle);
    this.changed.set(member, circle);
  }
}

const distinct = (member: string, index: number, all: readonly string[]): boolean => all.indexOf(member) === index;
