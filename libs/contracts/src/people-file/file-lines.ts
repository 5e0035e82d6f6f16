/** One line as it stands in the file, without its line break. */
export interface FileLine {
  /** Null for a line longer than any row may be. */
  readonly bytes: Buffer | null;
  /** Place after its line break, in bytes from where the reading began. */
  readonly end: number;
  /** A line break follows; without it only the last line of a complete file is one. */
  readonly ended: boolean;
}

const lineFeed = 0x0a;

/** Splits a stream into its lines, holding no more than one line and one piece of the stream. */
export async function* fileLines(pieces: AsyncIterable<Buffer>, longest: number): AsyncGenerator<FileLine, void, void> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let end = 0;
  const taken = (last: Buffer): Buffer | null => {
    const isTooLong = heldBytes + last.length > longest;
    const bytes = isTooLong ? null : held.length === 0 ? last : Buffer.concat([...held, last]);
    held = [];
    heldBytes = 0;
    return bytes;
  };
  for await (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(lineFeed); at !== -1; at = piece.indexOf(lineFeed, from)) {
      const length = heldBytes + at - from;
      const bytes = taken(piece.subarray(from, at));
      from = at + 1;
      end += length + 1;
      yield { bytes, end, ended: true };
    }
    const rest = piece.subarray(from);
    heldBytes += rest.length;
    // Of a line that is too long only its length is kept.
    if (heldBytes > longest) held = [];
    else if (rest.length > 0) held.push(rest);
  }
  if (heldBytes > 0) {
    const length = heldBytes;
    heldBytes = 0;
    const bytes = length > longest ? null : Buffer.concat(held);
    yield { bytes, end: end + length, ended: false };
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a line without the CR of a CRLF, or null where it is not UTF-8: two people's ids must not become the same sign. */
export function textOf(bytes: Buffer): string | null {
  const line = bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes;
  try {
    return utf8.decode(line);
  } catch {
    return null;
  }
}
