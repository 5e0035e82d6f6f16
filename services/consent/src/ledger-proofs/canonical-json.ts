/**
 * Walks a JSON text as the server writes a jsonb, one blank after each comma and colon and none elsewhere, without making
 * anything of it. The text is laid in a memory of its own first. Each function takes where something begins and gives where it
 * ends, or `unread` at whatever an entry of ours does not have (escapes, fractions, other blanks, deep nesting) and at what is no
 * JSON: whoever gets that parses the text. What is walked to its end is JSON, whoever wrote it.
 */
export const unread = -1;

/** Fixed, so that reading a byte of it is one instruction: of a buffer that changes from text to text it is several. */
const text = new Uint8Array(16_384);
/** Entries nest four deep. A text that nests without end must not end the process. */
const deepest = 16;

const [blank, quote, comma, minus, zero, nine, colon] = [0x20, 0x22, 0x2c, 0x2d, 0x30, 0x39, 0x3a];
const [openBracket, backslash, closeBracket, openBrace, closeBrace] = [0x5b, 0x5c, 0x5d, 0x7b, 0x7d];
const words = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/** Bytes that end a string, or do not stand in one of ours. */
const endsString = new Uint8Array(256).map((_, byte) => (byte < blank || byte === quote || byte === backslash ? 1 : 0));

/** A member that an object must have; of a key that stands there twice, both say the same. */
export interface Member<T> {
  readonly name: Uint8Array;
  readonly length: number;
  /** Where a value ends that says what `expected` does; else `unread`. */
  readonly end: (at: number, expected: T) => number;
}

export const member = <T>(name: string, end: Member<T>['end']): Member<T> => {
  const bytes = Buffer.from(name);
  return { name: bytes, length: bytes.length, end };
};

/** @returns whether the object that is the whole text has such members, among whatever others; false also where it is not read */
export function hasMembers<T>(of: Uint8Array, expected: T, members: readonly Member<T>[]): boolean {
  if (of.length > text.length) return false;
  text.set(of);
  // What stood there before may go on behind it: then the object does not end where the text does.
  return objectEnd(0, expected, members, 1) === of.length;
}

export const byteAt = (at: number): number => text[at]!;

/** Whether these very bytes stand there. */
function standsAt(at: number, bytes: Uint8Array): boolean {
  for (let next = 0; next < bytes.length; next += 1) if (text[at + next] !== bytes[next]) return false;
  return true;
}

function stringEnd(at: number): number {
  if (text[at] !== quote) return unread;
  let next = at + 1;
  while (endsString[text[next]!] === 0) next += 1;
  return text[next] === quote ? next + 1 : unread;
}

/** Of a string with these bytes between its quotes. */
export function sameStringEnd(at: number, bytes: Uint8Array): number {
  if (text[at] !== quote) return unread;
  let next = at + 1;
  for (let index = 0; index < bytes.length; index += 1, next += 1)
    if (text[next] !== bytes[index] || endsString[text[next]!] !== 0) return unread;
  return text[next] === quote ? next + 1 : unread;
}

/** Of a whole number without a sign. */
export function digitsEnd(at: number): number {
  if (text[at] === zero) return at + 1;
  let next = at;
  while (text[next]! >= zero && text[next]! <= nine) next += 1;
  return next === at ? unread : next;
}

function valueEnd(at: number, depth: number): number {
  const byte = text[at];
  if (byte === quote) return stringEnd(at);
  if (byte === openBrace) return objectEnd(at, null, [], depth + 1);
  if (byte === openBracket) return arrayEnd(at, (next) => valueEnd(next, depth + 1), depth + 1);
  if (byte === minus) return digitsEnd(at + 1);
  const word = words.find((one) => standsAt(at, one));
  return word === undefined ? digitsEnd(at) : at + word.length;
}

/** Where the next member or element begins. */
const nextAfter = (end: number): number => (text[end] === comma && text[end + 1] === blank ? end + 2 : unread);

/** Of an object whose `members` say of `expected` what they should, among whatever others. */
export function objectEnd<T>(at: number, expected: T, members: readonly Member<T>[], depth: number): number {
  if (text[at] !== openBrace || depth > deepest) return unread;
  if (text[at + 1] === closeBrace) return members.length === 0 ? at + 2 : unread;
  let [next, met] = [at + 1, 0];
  while (next !== unread) {
    const keyEnd = stringEnd(next);
    if (keyEnd === unread || text[keyEnd] !== colon || text[keyEnd + 1] !== blank) return unread;
    const which = indexOfName(members, next + 1, keyEnd - 1);
    const end = which === -1 ? valueEnd(keyEnd + 2, depth) : members[which]!.end(keyEnd + 2, expected);
    if (end === unread) return unread;
    if (which !== -1) met |= 1 << which;
    if (text[end] === closeBrace) return met === (1 << members.length) - 1 ? end + 1 : unread;
    next = nextAfter(end);
  }
  return unread;
}

function indexOfName(members: readonly Pick<Member<never>, 'name' | 'length'>[], from: number, to: number): number {
  for (let index = 0; index < members.length; index += 1) {
    const { name, length } = members[index]!;
    if (length === to - from && standsAt(from, name)) return index;
  }
  return -1;
}

/** Of an array whose elements end where `elementEnd` says. */
export function arrayEnd(at: number, elementEnd: (at: number) => number, depth: number): number {
  if (text[at] !== openBracket || depth > deepest) return unread;
  if (text[at + 1] === closeBracket) return at + 2;
  let next = at + 1;
  while (next !== unread) {
    const end = elementEnd(next);
    if (end === unread) return unread;
    if (text[end] === closeBracket) return end + 1;
    next = nextAfter(end);
  }
  return unread;
}

/** The JSON object that a text is, if it is one. */
export function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // Not JSON: its commitment says so too, with the better name for it.
    return null;
  }
}
