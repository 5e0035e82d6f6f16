import { SharedVector } from '../step/shared-vector.ts';
import type { NameTable } from './name-table.ts';
import { permittingVectorOf, type SubjectRow } from './subject-row.ts';

/**
 * The vectors of the replica's subjects, each once: when somebody decided does not matter to what may leave, and what they
 * decided, until the end of which day, is much the same for many.
 */
export class SharedVectors {
  readonly #names: NameTable;
  readonly #limit: number;
  readonly #byContent = new Map<string, number>();
  readonly #vectors: SharedVector[] = [];

  constructor(names: NameTable, limit: number) {
    this.#names = names;
    this.#limit = limit;
  }

  /** No more are remembered: time to begin again, with the index that names them by number. */
  get isFull(): boolean {
    return this.#vectors.length >= this.#limit;
  }

  /** A row's vector, and its number for `at`. */
  of(row: SubjectRow): { readonly number: number; readonly vector: SharedVector } {
    const content = JSON.stringify(
      row.slice(1).map((stored) => (Array.isArray(stored) ? stored.toSpliced(3, 1) : stored)),
    );
    const known = this.#byContent.get(content);
    if (known !== undefined) return { number: known, vector: this.at(known) };
    const vector = new SharedVector(permittingVectorOf(row, this.#names));
    const number = this.#vectors.push(vector) - 1;
    this.#byContent.set(content, number);
    return { number, vector };
  }

  at(number: number): SharedVector {
    const vector = this.#vectors[number];
    if (vector === undefined) throw new RangeError(`no vector of the number ${number}`);
    return vector;
  }
}
