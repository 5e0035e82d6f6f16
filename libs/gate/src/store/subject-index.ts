import type { SubjectKey } from '@entente/contracts';

/** A subject as a decision needs it: its version, and which of the known vectors it has. */
export interface Indexed {
  readonly version: number;
  readonly vector: number;
}

/** 128 bits in base64url behind `k1.`; keys of another form are not indexed. */
const prefix = 'k1.';
const keyLength = prefix.length + 22;
const sextet = new Uint8Array(128).fill(255);
for (const [value, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries())
  sextet[char.charCodeAt(0)] = value;

/** Six bits each, of the key last read. */
const c = new Uint8Array(22);

/** Tables grow one at a time, so that no decision waits for a large one. */
const tables = 256;
const firstSlots = 16;
const growth = 1.4;
const fullest = 0.8;
/** Of a slot: the key's four words, then 0 for empty, 1 for a key without a value, else the vector's number + 2. */
const wordsPerSlot = 5;
const [empty, forgotten, firstVector] = [0, 1, 2];

interface Table {
  words: Uint32Array;
  versions: Float64Array;
  used: number;
}

/**
 * The subjects lately asked for, in memory: 28 bytes a slot, at most `limit` of them. It is no source of anything: what it
 * does not hold is read from the store, and what the store is about to change is forgotten first.
 */
export class SubjectIndex {
  readonly #limit: number;
  readonly #tables: Table[];
  #subjects = 0;
  /** The words of the key last read. */
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#tables = Array.from({ length: tables }, () => tableOf(firstSlots));
  }

  /** Subjects for which a slot is taken. */
  get size(): number {
    return this.#subjects;
  }

  /** Undefined when it does not know. */
  get(key: SubjectKey): Indexed | undefined {
    if (!this.#read(key)) return undefined;
    const table = this.#table();
    const slot = this.#slotIn(table);
    const vector = table.words[slot * wordsPerSlot + 4]! - firstVector;
    return vector < 0 ? undefined : { version: table.versions[slot]!, vector };
  }

  set(key: SubjectKey, { version, vector }: Indexed): void {
    if (!this.#read(key)) return;
    let table = this.#table();
    let slot = this.#slotIn(table);
    if (table.words[slot * wordsPerSlot + 4] === empty) {
      if (this.#subjects >= this.#limit) return;
      if (table.used + 1 > table.versions.length * fullest) {
        table = this.#grown(table);
        slot = this.#slotIn(table);
      }
      table.words.set([this.#a, this.#b, this.#c, this.#d], slot * wordsPerSlot);
      table.used += 1;
      this.#subjects += 1;
    }
    table.words[slot * wordsPerSlot + 4] = vector + firstVector;
    table.versions[slot] = version;
  }

  /** The next `get` of this key does not know. */
  forget(key: SubjectKey): void {
    if (!this.#read(key)) return;
    const table = this.#table();
    const at = this.#slotIn(table) * wordsPerSlot + 4;
    if (table.words[at] !== empty) table.words[at] = forgotten;
  }

  clear(): void {
    for (let index = 0; index < tables; index += 1) this.#tables[index] = tableOf(firstSlots);
    this.#subjects = 0;
  }

  /** False for a key of another form, or one whose text is not the only one of its bits. */
  #read(key: SubjectKey): boolean {
    if (key.length !== keyLength || !key.startsWith(prefix)) return false;
    let seen = 0;
    for (let index = 0; index < c.length; index += 1) {
      const code = key.charCodeAt(prefix.length + index);
      const value = code < sextet.length ? sextet[code]! : 255;
      seen |= value;
      c[index] = value;
    }
    this.#a = ((c[0]! << 26) | (c[1]! << 20) | (c[2]! << 14) | (c[3]! << 8) | (c[4]! << 2) | (c[5]! >> 4)) >>> 0;
    this.#b = ((c[5]! << 28) | (c[6]! << 22) | (c[7]! << 16) | (c[8]! << 10) | (c[9]! << 4) | (c[10]! >> 2)) >>> 0;
    this.#c = ((c[10]! << 30) | (c[11]! << 24) | (c[12]! << 18) | (c[13]! << 12) | (c[14]! << 6) | c[15]!) >>> 0;
    this.#d = ((c[16]! << 26) | (c[17]! << 20) | (c[18]! << 14) | (c[19]! << 8) | (c[20]! << 2) | (c[21]! >> 4)) >>> 0;
    return seen < 64 && (c[21]! & 15) === 0;
  }

  #table(): Table {
    return this.#tables[this.#a >>> 24]!;
  }

  /** The key's slot, or the empty one where it would stand. There is always an empty one. */
  #slotIn({ words, versions }: Table): number {
    const slots = versions.length;
    let slot = Math.floor((this.#b / 0x1_0000_0000) * slots);
    for (;;) {
      const at = slot * wordsPerSlot;
      if (words[at + 4] === empty) return slot;
      if (words[at + 3] === this.#d && words[at + 2] === this.#c && words[at + 1] === this.#b && words[at] === this.#a)
        return slot;
      slot = slot + 1 === slots ? 0 : slot + 1;
    }
  }

  #grown({ words, versions }: Table): Table {
    const [a, b, c, d] = [this.#a, this.#b, this.#c, this.#d];
    const larger = tableOf(Math.ceil(versions.length * growth));
    for (let slot = 0; slot < versions.length; slot += 1) {
      const at = slot * wordsPerSlot;
      if (words[at + 4] === empty) continue;
      [this.#a, this.#b, this.#c, this.#d] = [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!];
      const to = this.#slotIn(larger);
      larger.words.set(words.subarray(at, at + wordsPerSlot), to * wordsPerSlot);
      larger.versions[to] = versions[slot]!;
      larger.used += 1;
    }
    [this.#a, this.#b, this.#c, this.#d] = [a, b, c, d];
    this.#tables[a >>> 24] = larger;
    return larger;
  }
}

const tableOf = (slots: number): Table => ({
  words: new Uint32Array(slots * wordsPerSlot),
  versions: new Float64Array(slots),
  used: 0,
});
