import { hashBytes } from './tree.ts';
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
      const read = readLine(line);
      if (read === null) return unreadable(check, 'its line cannot be read');
      if (check.take(read) !== null) return check.end();
    }
  return ended ? check.end() : unreadable(check, 'the text ends without its last line');
}

function unreadable(check: LedgerCheck, detail: string): LedgerVerdict {
  check.unreadable(detail);
  return check.end();
}

/** Lines of each chunk together: a promise for each line would cost more than its hashes. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Buffer[], void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    const lines: Buffer[] = [];
    let from = 0;
    for (let to = bytes.indexOf(newline); to !== -1; to = bytes.indexOf(newline, from)) {
      lines.push(bytes.subarray(from, to));
      from = to + 1;
    }
    rest = bytes.subarray(from);
    yield lines;
  }
  if (rest.length > 0) yield [rest];
}

function readLine(line: Buffer): LedgerLine | null {
  const [number, commitment, link, salt, text] = fieldsOf(line);
  if (!number || !commitment || !link || !salt || !text) return null;
  const count = Number(number.toString('latin1'));
  const [commits, links] = [fromHex(commitment), fromHex(link)];
  const salted = isNone(salt) ? null : fromHex(salt);
  if (!Number.isSafeInteger(count) || String(count) !== number.toString('latin1')) return null;
  if (commits?.length !== hashBytes || links?.length !== hashBytes || salted === undefined) return null;
  return { number: count, commitment: commits, link: links, content: isNone(text) ? null : { text, salt: salted } };
}

/** The first four tabs separate; what follows is the text. */
function fieldsOf(line: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  let from = 0;
  for (let field = 0; field < 4; field += 1) {
    const to = line.indexOf(tab, from);
    if (to === -1) return [];
    fields.push(line.subarray(from, to));
    from = to + 1;
  }
  return [...fields, line.subarray(from)];
}

const isNone = (field: Buffer): boolean => field.length === 1 && field[0] === dash;

/** Undefined for anything but lower-case hex: one text for one value, so that no flipped bit reads the same. */
function fromHex(field: Buffer): Buffer | undefined {
  const text = field.toString('latin1');
  const bytes = Buffer.from(text, 'hex');
  return bytes.toString('hex') === text ? bytes : undefined;
}
