import { describe, expect, test } from '@jest/globals';
import { en } from './en.ts';
import { formatFor } from './format.ts';
import { fr } from './fr.ts';

type Text = string | ((...parts: string[]) => string);

const isBranch = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Every text by its path. */
const textsOf = (dictionary: Readonly<Record<string, unknown>>, path = ''): [string, Text][] =>
  Object.entries(dictionary).flatMap(([name, value]) =>
    isBranch(value) ? textsOf(value, `${path}/${name}`) : [[`${path}/${name}`, value as Text] as [string, Text]],
  );

/** The same in both languages, and rightly so. */
const shared = new Set(['/product', '/console', '/nav/label', '/connector/title', '/nav/audit']);
const english = textsOf(en);
const french = new Map(textsOf(fr));
const placeholders = ['‹1›', '‹2›', '‹3›', '‹4›', '‹5›'];
const said = (text: Text): string => (typeof text === 'string' ? text : text(...placeholders));

describe('the two dictionaries', () => {
  test('have the same texts', () => expect([...french.keys()]).toEqual(english.map(([path]) => path)));

  test.each(english)('%s is said in both, with the same parts', (path, text) => {
    const other = french.get(path)!;
    expect(typeof other).toBe(typeof text);
    for (const each of [text, other]) expect(said(each).trim()).not.toBe('');
    for (const part of placeholders)
      expect({ part, is: said(other).includes(part) }).toEqual({ part, is: said(text).includes(part) });
    if (!shared.has(path) && /[a-z]{3} [a-z]{3}/i.test(said(text))) expect(said(other)).not.toBe(said(text));
  });
});

describe('spans of time', () => {
  test.each([
    [0, '0 ms', '0 ms'],
    [36.4, '36 ms', '36 ms'],
    [3_149, '3.1 s', '3,1 s'],
    [59_400, '59 s', '59 s'],
    [252_000, '4 m 12 s', '4 min 12 s'],
    [7_560_000, '2 h 6 m', '2 h 6 min'],
    [259_200_000, '3 d', '3 j'],
  ])('%s ms', (ms, inEnglish, inFrench) => {
    const plain = (text: string): string => text.replaceAll(/[\u202f\u00a0]/g, ' ');
    expect([plain(formatFor('en').span(ms)), plain(formatFor('fr').span(ms))]).toEqual([inEnglish, inFrench]);
  });
});
