import { hashBytes, saltBytes } from './digests.ts';
import { LedgerCheck } from './verify-ledger.ts';
import type { LedgerAnchors, LedgerLine, LedgerVerdict } from './verify-ledger.ts';

/**
 * A ledger as a text, one entry a line: number, commitment, link, salt and text, separated by tabs; `-` where there is none.
 * Texts are JSON without control characters, so they stand there byte for byte. The last line says how many there were.
 */
export const ledgerMediaType = 'text/tab-separated-values';

const firstLine = 'entente-ledger v1';
const [tab, newline, dash, endsWith] = [0x09, 0x0a, 0x2d, 0x65];

export const ledgerFileStart = `${firstLine}\n`;

export const ledgerFileEnd = (entries: number): string => `end\t${entries}\n`;

export const ledgerFileLine = ({ number, commitment, link, content }: LedgerLine): string =>
  `${number}\t${commitment.toString('hex')}\t${link.toString('hex')}\t${
    content === null
      ? '-\t-'
      : `${content.salt === null ? '-' : Buffer.from(content.salt).toString('hex')}\t${Buffer.from(content.text).toString('utf8')}`
  }\n`;

/** Verifies such a text as it comes in; never throws for what stands in it. */
export async function verifyLedgerFile(
  chunks: AsyncIterable<Uint8Array>,
  anchors: LedgerAnchors,
): Promise<LedgerVerdict> {
  const check = new LedgerCheck(anchors);
  const reader = new LineReader();
  let [lines, ended] = [0, false];
  for await (const some of linesOf(chunks))
    for (const line of some) {
      lines += 1;
      if (lines === 1) {
        if (line.toString('latin1') !== firstLine) return unreadable(check, 'this is not a ledger’s text');
        continue;
      }
      if (ended) return unreadable(check, 'the text goes on after its last line');
      ended = line[0] === endsWith;
      if (ended) {
        if (`${line.toString('latin1')}\n` !== ledgerFileEnd(lines - 2))
          return unreadable(check, 'the last line names another number of entries');
        continue;
      }
      const read = reader.read(line);
      if (read === null) return unreadable(check, 'its line cannot be read');
      if (check.take(read) !== null) return check.end();
    }
  return ended ? check.end() : unreadable(check, 'the text ends without its last line');
}

function unreadable(check: LedgerCheck, detail: string): LedgerVerdict {
  check.unreadable(detail);
  return check.end();
}

/** Lines of each chunk together: a promise for each line would cost more than its hashes. They are views of the chunk. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Buffer[], void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const lines: Buffer[] = [];
    let from = 0;
    for (let to = bytes.indexOf(newline); to !== -1; to = bytes.indexOf(newline, from)) {
      lines.push(from === 0 ? Buffer.concat([rest, bytes.subarray(0, to)]) : bytes.subarray(from, to));
      from = to + 1;
    }
    rest = from === 0 ? Buffer.concat([rest, bytes]) : Buffer.from(bytes.subarray(from));
    yield lines;
  }
  if (rest.length > 0) yield [rest];
}

/** The value of each lower-case hex digit, and more than fifteen for any other byte. */
const hexValues = new Uint8Array(256).fill(0xff);
for (const [value, digit] of Buffer.from('0123456789abcdef').entries()) hexValues[digit] = value;

/** Reads entries' lines. What it gives stands in its own memory, which the next line takes. */
class LineReader {
  readonly #commitment = Buffer.alloc(hashBytes);
  readonly #link = Buffer.alloc(hashBytes);
  readonly #salt = Buffer.alloc(saltBytes);

  /** Null for what is no line, or not as `ledgerFileLine` would write it: a flipped bit never reads the same. */
  read(line: Buffer): LedgerLine | null {
    const numberEnd = line.indexOf(tab);
    const number = numberIn(line.subarray(0, numberEnd));
    const linkAt = numberEnd + 1 + 2 * hashBytes + 1;
    const saltAt = linkAt + 2 * hashBytes + 1;
    if (number === null || line[linkAt - 1] !== tab || line[saltAt - 1] !== tab) return null;
    if (!readHex(line, numberEnd + 1, this.#commitment) || !readHex(line, linkAt, this.#link)) return null;
    const isSalted = line[saltAt] !== dash;
    const textAt = saltAt + (isSalted ? 2 * saltBytes : 1) + 1;
    if (line[textAt - 1] !== tab) return null;
    if (isSalted && !readHex(line, saltAt, this.#salt)) return null;
    const text = line.subarray(textAt);
    // What is erased has lost its salt with its text.
    if (isSalted && isNone(text)) return null;
    const content = isNone(text) ? null : { text, salt: isSalted ? this.#salt : null };
    return { number, commitment: this.#commitment, link: this.#link, content };
  }
}

function numberIn(field: Buffer): number | null {
  const text = field.toString('latin1');
  const number = Number(text);
  return Number.isSafeInteger(number) && String(number) === text ? number : null;
}

const isNone = (field: Buffer): boolean => field.length === 1 && field[0] === dash;

/** As many bytes as `to` holds. @returns whether they stand there, in lower-case hex: there is one text for one value */
function readHex(line: Buffer, at: number, to: Buffer): boolean {
  let next = at;
  for (let byte = 0; byte < to.length; byte += 1, next += 2) {
    const high = hexValues[line[next]!]!;
    const low = hexValues[line[next + 1]!]!;
    if ((high | low) > 15) return false;
    to[byte] = (high << 4) | low;
  }
  return true;
}
