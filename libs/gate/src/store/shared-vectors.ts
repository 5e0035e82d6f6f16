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

  constructor(names: NameTable, limit = 65_536) {
    this.#names = names;
    this.#limit = limit;
  }

  /** A row's vector, and its number for `at`; null when there are too many that differ to remember one more. */
  of(row: SubjectRow): { readonly number: number | null; readonly vector: SharedVector } {
    const content = JSON.stringify(
      row.slice(1).map((stored) => (Array.isArray(stored) ? stored.toSpliced(3, 1) : stored)),
    );
    const known = this.#byContent.get(content);
    if (known !== undefined) return { number: known, vector: this.at(known) };
    const vector = new SharedVector(permittingVectorOf(row, this.#names));
    if (this.#vectors.length >= this.#limit) return { number: null, vector };
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
