const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const noLetter = 64;
/** By character code. */
const sixBits = new Uint8Array(128).fill(noLetter);
for (const [value, letter] of [...alphabet].entries()) sixBits[letter.charCodeAt(0)] = value;

/** A string that ends before what it announces, or says what cannot be. */
export class BadBits extends Error {
  override readonly name = 'BadBits';
}

/** Reads base64url text bit by bit, most significant first, as IAB's formats have it. */
export class BitReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** An unsigned number of up to 48 bits. */
  take(bits: number): number {
    let value = 0;
    for (let taken = 0; taken < bits; taken += 1) value = value * 2 + this.#bit();
    return value;
  }

  flag(): boolean {
    return this.#bit() === 1;
  }

  /** The positions, counted from 1, of the bits that are set among the next so many. */
  positions(bits: number): ReadonlySet<number> {
    const set = new Set<number>();
    for (let position = 1; position <= bits; position += 1) if (this.flag()) set.add(position);
    return set;
  }

  /** Letters of six bits each, `A` being 0. */
  letters(count: number): string {
    return Array.from({ length: count }, () => String.fromCharCode(65 + this.take(6))).join('');
  }

  /** Fibonacci coding: the sum of the numbers whose bits are set; two set bits end it. */
  fibonacci(): number {
    let [value, small, large, wasSet] = [0, 1, 2, false];
    for (;;) {
      const isSet = this.flag();
      if (isSet && wasSet) return value;
      if (isSet) value += small;
      if (value > Number.MAX_SAFE_INTEGER) throw new BadBits('a number too large to be one');
      [small, large, wasSet] = [large, small + large, isSet];
    }
  }

  #bit(): number {
    const value = sixBits[this.#text.charCodeAt(Math.floor(this.#at / 6))] ?? noLetter;
    if (value === noLetter) throw new BadBits('the text ends too early');
    const bit = (value >> (5 - (this.#at % 6))) & 1;
    this.#at += 1;
    return bit;
  }
}
