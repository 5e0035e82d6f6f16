/** One row's fields in the server's binary format, null for NULL. They are views: copy what is kept longer than the call. */
export type BinaryRow = readonly (Buffer | null)[];

/** Signature, flags and the length of an extension, which no server writes (PostgreSQL manual, COPY, "Binary Format"). */
const headerBytes = 19;
/** In place of a number of fields, after the last row. */
const trailer = -1;
const nothing = Buffer.alloc(0);

/** Reads what `COPY … TO STDOUT (FORMAT binary)` sends, however it is cut. */
export class BinaryRows {
  readonly #onRow: (row: BinaryRow) => void;
  #rest: Buffer = nothing;
  #at = headerBytes;
  #ended = false;

  constructor(onRow: (row: BinaryRow) => void) {
    this.#onRow = onRow;
  }

  /** Whether the trailer has come: without it rows are missing. */
  get ended(): boolean {
    return this.#ended;
  }

  take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let row = this.#next(bytes); row !== null; row = this.#next(bytes)) this.#onRow(row);
    const kept = Math.min(this.#at, bytes.length);
    // A copy: the connection uses its buffer again. The server sends whole rows, so that there is seldom one to make.
    this.#rest = kept === bytes.length ? nothing : Buffer.from(bytes.subarray(kept));
    this.#at -= kept;
  }

  /** The row at the present place, or null while it is not whole. */
  #next(bytes: Buffer): BinaryRow | null {
    let at = this.#at;
    if (this.#ended || bytes.length < at + 2) return null;
    const count = bytes.readInt16BE(at);
    at += 2;
    if (count === trailer) {
      this.#ended = true;
      return null;
    }
    const fields: (Buffer | null)[] = [];
    for (let field = 0; field < count; field += 1) {
      if (bytes.length < at + 4) return null;
      const length = bytes.readInt32BE(at);
      at += 4;
      if (length < 0) {
        fields.push(null);
        continue;
      }
      if (bytes.length < at + length) return null;
      fields.push(bytes.subarray(at, at + length));
      at += length;
    }
    this.#at = at;
    return fields;
  }
}
