import { Refusal } from '../problems/refusal.ts';
import { bodyRequired } from '../problems/refusal-of.ts';
import { checkJsonLimits } from './json-limits.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const refuse = (code: string, detail: string): Refusal => new Refusal(code, 400, detail);

/** Bytes of a body to the object they hold; anything doubtful is a precise refusal, never a guess. */
export function parseStrictJson(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length === 0) throw bodyRequired();
  const text = decoded(bytes);
  if (text.trim() === '') throw bodyRequired();
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('body-not-an-object', 'The body must be a JSON object.');
  checkJsonLimits(text);
  return value as Record<string, unknown>;
}

function decoded(bytes: Uint8Array): string {
  const startsWith = (...prefix: number[]) => prefix.every((byte, index) => bytes[index] === byte);
  if (startsWith(0xef, 0xbb, 0xbf)) throw refuse('byte-order-mark', 'The body must not begin with a byte order mark.');
  if (startsWith(0xff, 0xfe) || startsWith(0xfe, 0xff))
    throw refuse('body-not-utf8', 'The body is UTF-16; it must be UTF-8.');
  try {
    return utf8.decode(bytes);
  } catch {
    // The decoder's error says no more than that.
    throw refuse('body-not-utf8', 'The body is not valid UTF-8.');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The message quotes the body, so only the position is taken from it.
    const [, position] = /at position (\d+)/.exec(error instanceof Error ? error.message : '') ?? [];
    throw refuse(
      'malformed-json',
      `The body is not valid JSON${position === undefined ? '' : ` (at character ${position})`}.`,
    );
  }
}
