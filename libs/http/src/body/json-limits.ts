import { Refusal } from '../problems/refusal.ts';

/** Deepest nesting of a body; ours need four. */
const maxDepth = 32;
/** Most keys in one body, over all its objects. */
const maxKeys = 10_000;

const refuse = (code: string, detail: string): Refusal => new Refusal(code, 400, detail);

interface Frame {
  /** Keys seen so far; undefined in an array. */
  readonly keys: Set<string> | undefined;
  /** The key under which this object stands. */
  readonly name: string | undefined;
  pendingKey: string | undefined;
}

/**
 * Walks JSON text that `JSON.parse` has accepted and throws on what it lets pass silently: duplicate keys (it keeps the
 * last), keys that reach prototypes, numbers it rounds, strings that are not Unicode text, and outsized structure.
 */
export function checkJsonLimits(text: string): void {
  const frames: Frame[] = [];
  let keyCount = 0;
  let at = 0;
  while (at < text.length) {
    const character = text[at] ?? '';
    const frame = frames.at(-1);
    if (character === '{' || character === '[') {
      if (frames.length === maxDepth) throw refuse('body-too-deep', `The body nests deeper than ${maxDepth} levels.`);
      frames.push({
        keys: character === '{' ? new Set() : undefined,
        name: frame?.pendingKey,
        pendingKey: undefined,
      });
      at += 1;
    } else if (character === '}' || character === ']') {
      frames.pop();
      at += 1;
    } else if (character === '"') {
      const end = endOfString(text, at);
      const value = stringValue(text.slice(at, end));
      at = end;
      if (frame?.keys !== undefined && frame.pendingKey === undefined) {
        keyCount += 1;
        if (keyCount > maxKeys) throw refuse('too-many-keys', `The body has more than ${maxKeys} keys.`);
        checkKey(value, frame);
        frame.keys.add(value);
        frame.pendingKey = value;
      }
    } else if (character === ',') {
      if (frame !== undefined) frame.pendingKey = undefined;
      at += 1;
    } else if (character === '-' || (character >= '0' && character <= '9')) {
      at = checkedNumber(text, at);
    } else {
      at += 1;
    }
  }
}

function checkKey(key: string, frame: Frame): void {
  if (frame.keys?.has(key)) throw refuse('duplicate-key', 'An object in the body has the same key twice.');
  if (key === '__proto__' || (key === 'prototype' && frame.name === 'constructor'))
    throw refuse('forbidden-key', 'The body has a key that no request may have.');
}

/** Index after the closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function stringValue(quoted: string): string {
  const value = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  if (!value.isWellFormed()) throw refuse('bad-text', 'A string in the body has half a surrogate pair.');
  if (value.includes('\0')) throw refuse('bad-text', 'A string in the body has a NUL character.');
  return value;
}

const numberAt = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;

function checkedNumber(text: string, start: number): number {
  numberAt.lastIndex = start;
  const [token = '', fraction, exponent] = numberAt.exec(text) ?? [];
  const value = Number(token);
  const isWhole = fraction === undefined && exponent === undefined;
  if (!Number.isFinite(value) || (isWhole && !Number.isSafeInteger(value)))
    throw refuse('number-too-large', 'A number in the body cannot be held exactly.');
  return start + Math.max(token.length, 1);
}
