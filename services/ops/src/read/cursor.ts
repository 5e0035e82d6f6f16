import { idPattern } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Cursors } from './cursors.ts';

/** Rows of one page unless asked otherwise, and at most. */
const standardLimit = 50;
const largestLimit = 200;

/** What the parts of our cursors look like; anything else must not reach the database. */
export const cursorPart = {
  time: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/,
  subject: new RegExp(idPattern.subjectKey),
  name: new RegExp(idPattern.name),
  /** Of purposes, as a leak keeps them. */
  names: /^[a-z0-9][a-z0-9,-]{0,3999}$/,
  number: /^\d{1,15}$/,
} as const;

/** @throws Refusal naming the parameter when it is not a cursor of these parts */
export function placeFrom(
  cursor: string | undefined,
  cursors: Pick<Cursors, 'open'>,
  parts: readonly RegExp[],
): readonly string[] | null {
  if (cursor === undefined) return null;
  const given = cursors.open(cursor);
  const texts = Array.isArray(given) ? given.map(String) : [];
  const good = texts.length === parts.length && parts.every((part, index) => part.test(texts[index] ?? ''));
  const [time] = texts;
  const exists = parts[0] !== cursorPart.time || !Number.isNaN(Date.parse(time ?? ''));
  if (!good || !exists) throw malformed('after', 'is not a cursor that this list gave');
  return texts;
}

export function limitFrom(text: string | undefined): number {
  if (text === undefined) return standardLimit;
  const limit = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > largestLimit) throw malformed('limit', `is not a number from 1 to ${largestLimit}`);
  return limit;
}

export function nameFrom(parameter: string, text: string | undefined, pattern: string): string | null {
  if (text === undefined) return null;
  if (!new RegExp(pattern).test(text)) throw malformed(parameter, 'does not have the form of such a name');
  return text;
}

/** A moment with its zone, or a day in UTC. */
const momentPattern = /^(?:19[7-9]\d|[2-9]\d{3})-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;

/** @returns ISO 8601, or null where none is given */
export function momentFrom(parameter: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  const ms = momentPattern.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw malformed(parameter, 'is not a time such as 2026-11-22T10:00:00Z, or a day');
  return new Date(ms).toISOString();
}

/** One text per parameter: a repeated one is an error, not a list. */
export function textOf(query: Readonly<Record<string, unknown>>, parameter: string): string | undefined {
  const value = query[parameter];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw malformed(parameter, 'is given more than once');
  return value;
}

/** @throws Refusal naming every parameter that this list does not take */
export function onlyKnown(query: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  const unknown = Object.keys(query).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw malformed('', `has parameters this list does not take; it takes ${known.join(', ')}`);
}

const malformed = (parameter: string, detail: string): Refusal =>
  new Refusal('invalid-query', 400, 'The query does not have the shape this list takes.', {
    errors: [{ pointer: parameter === '' ? '' : `/${parameter}`, detail }],
  });
