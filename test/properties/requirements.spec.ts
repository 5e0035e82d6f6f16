import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

/** How many requirements each letter has, counted from 1. */
const counts = { X: 6, G: 12, E: 2, P: 11, A: 2, T: 7, Q: 5, R: 4, U: 3, D: 3, H: 8, Z: 5, J: 4, L: 6, K: 7 };
const ids = Object.entries(counts).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}-${index + 1}`),
);

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

const proven = read('docs/requirements.md')
  .split('\n')
  .flatMap((line) => {
    const [, id, , met, tests] = /^\| ([A-Z]-\d+) \| (.+?) \| (.+?) \| (.+) \|$/.exec(line) ?? [];
    return id === undefined
      ? []
      : [{ id, met, tests: [...(tests ?? '').matchAll(/`([^`]+)`/g)].map(([, path]) => path!) }];
  });
/** The rules of the protocol, by how many each part has. */
const parts = { REC: 9, REL: 5, GATE: 7, SHR: 1, DLV: 7, TRK: 1, RST: 4, SEAL: 2 };
const rules = Object.entries(parts)
  .flatMap(([part, count]) => Array.from({ length: count }, (_, index) => `${part}-${index + 1}`))
  .sort();
/** Rules of the protocol that nobody simulates, with the tests they have instead. */
const unsimulated = read('test/sim/README.md')
  .split('\n')
  .flatMap((line) => {
    const [, rule, tests] = /^\| ([A-Z]+-\d) \| [^|]+ \| (`[^|]+spec\.ts`) \|$/.exec(line) ?? [];
    return rule === undefined
      ? []
      : [{ rule, tests: [...(tests ?? '').matchAll(/`([^`]+)`/g)].map(([, path]) => path!) }];
  });
const reasons = read('docs/adr/0026-requirements-left-out.md');
const leftOut = [...reasons.matchAll(/^- \*\*([A-Z]-\d+)\*\* \S/gm)].map(([, id]) => id!);
const halved = [...reasons.matchAll(/^\| ([A-Z]-\d+) \| \S/gm)].map(([, id]) => id!);

/** Titles of a file's tests, each with those of the groups it stands in. */
function titlesIn(path: string): string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node, groups: string): void => {
    const [title] = ts.isCallExpression(node) ? node.arguments : [];
    const called = ts.isCallExpression(node) ? /^(describe|test)\b/.exec(node.expression.getText())?.[1] : undefined;
    const isTitle = title !== undefined && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title));
    const full = called !== undefined && isTitle ? `${groups} ${title.getText()}` : groups;
    if (called === 'test' && isTitle) titles.push(full);
    ts.forEachChild(node, (child) => visit(child, full));
  };
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true), '');
  return titles;
}

describe('docs/requirements.md and ADR 26', () => {
  test('name every requirement once: proven or left out', () => {
    expect([...proven.map(({ id }) => id), ...leftOut].sort()).toEqual([...ids].sort());
  });

  test.each(proven)('$id has a test named after it in each file named', ({ id, tests }) => {
    expect(tests).not.toEqual([]);
    const named = new RegExp(`\\b${id}\\b`);
    expect(tests.filter((path) => !titlesIn(path).some((title) => named.test(title)))).toEqual([]);
  });

  test('say of every half why the other is not there, and of nothing else', () => {
    expect(halved).toEqual(proven.filter(({ met }) => met?.startsWith('half') === true).map(({ id }) => id));
  });

  test('is whole, or half with what is missing', () => {
    expect(proven.filter(({ met }) => !/^(?:whole|half: \S.+)$/.test(met ?? ''))).toEqual([]);
  });
});

describe('test/sim/README.md', () => {
  test('every rule of the protocol is simulated, or has tests of its own', () => {
    const simulated = read('test/sim/README.md')
      .split('\n')
      .flatMap((line) => /^\| ((?:[A-Z]{3,4}-\d(?:, )?)+) *\| /.exec(line)?.[1]?.split(', ') ?? []);
    expect([...new Set(simulated)].sort()).toEqual(rules);
  });

  test.each(unsimulated)(
    '$rule is not simulated, and has a test named after it in each file named',
    ({ rule, tests }) => {
      const named = new RegExp(`\\b${rule}\\b`);
      expect(tests.filter((path) => !titlesIn(path).some((title) => named.test(title)))).toEqual([]);
    },
  );
});
