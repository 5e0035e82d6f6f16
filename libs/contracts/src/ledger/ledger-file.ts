import { hashBytes } from './tree.ts';
import { LedgerCheck } from './verify-ledger.ts';
import type { LedgerAnchors, LedgerLine, LedgerVerdict } from './verify-ledger.ts';

/**
 * A ledger as a text, one entry a line: number, commitment, link, salt and text, separated by tabs; `-` where there is none.
 * Texts are JSON without control characters, so they stand there byte for byte. The last line says how many there were.
 */
export const ledgerMediaType = 'text/tab-separated-values';

const firstLine = 'entente-ledger v1';
const [tab, newline, dash] = [0x09, 0x0a, 0x2d];

export const ledgerFileStart = `${firstLine}\n`;

export const ledgerFileEnd = (entries: number): string => `end\t${entries}\n`;

export const ledgerFileLine = ({ number, commitment, link, content }: LedgerLine): string =>
  `${number}\t${commitment.toString('hex')}\t${link.toString('hex')}\t${
    content === null
      ? '-\t-'
      : `${content.salt === null ? '-' : Buffer.from(content.salt).toString('hex')}\t${Buffer.from(content.text).toString('utf8')}`
  }\n`;

/** Verifies such a text as it comes in; never throws for what stands in it. */
export async function verifyLedgerFile(chunks: AsyncIterable<Uint8Array>, anchors: LedgerAnchors): Promise<LedgerVerdict> {
  const check = new LedgerCheck(anchors);
  let [lines, ended] = [0, false];
  for await (const line of linesOf(chunks)) {
    lines += 1;
    if (lines === 1 && line.toString('latin1') !== firstLine) check.unreadable('this is not a ledger’s text');
    if (lines === 1) continue;
    ended = line.toString('latin1', 0, 4) === 'end\t';
    if (ended) {
      if (line.toString('latin1') !== ledgerFileEnd(check.end().entries).trimEnd())
        check.unreadable('the last line names another number of entries');
      continue;
    }
    const read = readLine(line);
    const bad = read === null ? check.unreadable('its line cannot be read') : check.take(read);
    if (bad !== null) return check.end();
  }
  if (!ended) check.unreadable('the text ends without its last line');
  return check.end();
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let to = bytes.indexOf(newline); to !== -1; to = bytes.indexOf(newline, from)) {
      yield bytes.subarray(from, to);
      from = to + 1;
    }
    rest = bytes.subarray(from);
  }
  if (rest.length > 0) yield rest;
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
