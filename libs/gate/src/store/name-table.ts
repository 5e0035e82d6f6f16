/** Purposes, notices and recipients by small number: a row names them in a byte or two instead of thirty. */
export class NameTable {
  readonly #byNumber: string[] = [];
  readonly #byName = new Map<string, number>();
  readonly #store: (number: number, name: string) => void;

  /** @param store writes a new entry in the transaction that is open when a name is first used */
  constructor(known: Iterable<readonly [number, string]>, store: (number: number, name: string) => void) {
    for (const [number, name] of known) {
      this.#byNumber[number] = name;
      this.#byName.set(name, number);
    }
    this.#store = store;
  }

  numberOf(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const number = this.#byNumber.length;
    this.#store(number, name);
    this.#byNumber.push(name);
    this.#byName.set(name, number);
    return number;
  }

  nameOf(number: number): string {
    const name = this.#byNumber[number];
    if (name === undefined) throw new Error(`the replica names nothing by ${number}`);
    return name;
  }
}
