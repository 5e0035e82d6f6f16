import { describe, expect, test } from '@jest/globals';
import { meets } from './benchmark.ts';
import { script } from './peers/pgbench.ts';
import { chart, ticks } from './report/chart.ts';
import { page } from './report/page.ts';
import type { Report } from './report/report.ts';
import { compared, interleaved, inTurn, spread } from './rounds.ts';

const noSteal = () => () => 0;

describe('rounds', () => {
  test('of two sides each comes first as often as the other, ABBA', () => {
    expect([0, 1, 2, 3].map((round) => inTurn(['a', 'b'], round).join(''))).toEqual(['ab', 'ba', 'ba', 'ab']);
  });

  test('of several sides each begins once before any begins twice', () => {
    const first = [0, 2, 4].map((round) => inTurn(['a', 'b', 'c'], round)[0]);
    expect(new Set(first).size).toBe(3);
  });

  test('a round of which the host took more than 5 % is dropped', async () => {
    const steals = [0.2, 0.01];
    const sides = { ours: () => Promise.resolve(2), theirs: () => Promise.resolve(4) };
    const kept = await interleaved(sides, 2, () => () => steals.shift() ?? 0);
    expect(kept).toHaveLength(1);
    expect(compared(kept, ['ours', 'theirs'], (figure) => figure).ratio.median).toBe(0.5);
  });

  test('nothing is measured where the host took it all', async () => {
    await expect(interleaved({ ours: () => Promise.resolve(1) }, 1, () => () => 0.5)).rejects.toThrow('5 %');
    await expect(interleaved({ ours: () => Promise.resolve(1) }, 1, noSteal)).resolves.toHaveLength(1);
  });
});

describe('verdicts', () => {
  test.each([
    [[1, 3], { of: 'ours', atMost: 2 }, true],
    [[2.1, 3], { of: 'ours', atMost: 2 }, false],
    [[1, 3], { of: 'ours', atLeast: 2 }, true],
    [[1, 1.9], { of: 'ours', atLeast: 2 }, false],
  ] as const)('%j against %j: %s, for the whole interval has to miss', (values, target, met) => {
    expect(meets({ what: 'x', unit: 'ms', ours: spread(values), target })).toBe(met);
  });
});

describe('the page', () => {
  const report: Report = {
    ...{ id: 'B3', what: 'propagation', baseline: 'bare kafkajs', answers: 'It answers.' },
    ...{
      at: '2026-11-22T20:00:00.000Z',
      machine: '2 cores',
      command: 'npm run bench -- B3',
      commit: 'abc',
      minutes: 2,
    },
    figures: [
      { what: 'p99', unit: 'ms', peer: 'Debezium', ours: spread([50]), baseline: spread([100]), ratio: spread([0.5]) },
      { what: 'p50', unit: 'ms', ours: spread([30, 50]), target: { of: 'ours', atMost: 10 } },
    ],
    notes: ['A note.'],
  };

  test('says first what was missed, by how much', () => {
    const text = page([report]);
    expect(text).toContain('1 figures have a target; 0 meet it.');
    expect(text).toContain('- B3, p50: 40.0 (30.0–50.0) ms, target ≤ 10.0');
    expect(text).toContain('| p99 | ms | 50.0 | 100 | Debezium | 0.500 |  |  |');
  });

  test('a chart shows every point and no text that could be markup', () => {
    const points = [[1_000, 2] as const, [10_000, 5] as const];
    const svg = chart({ title: 'a < b', x: 'people', y: 'ms', lines: [{ name: 'p50', points }] });
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(svg).toContain('a &#60; b');
  });

  test('a scale begins at 0 and ends at or above the largest figure', () => {
    expect(ticks(47)).toEqual([0, 10, 20, 30, 40, 50]);
    expect(ticks(50).at(-1)).toBe(50);
  });
});

describe('the pgbench script', () => {
  const fresh = new Map([
    ['k1.abc', 'subject-key'],
    ['0192-id', 'uuid'],
  ] as const);

  test('writes values out, with a key and an id of its own for each execution', () => {
    const statements = [{ text: 'SELECT $1::jsonb, $2', values: ['{"key":"k1.abc","id":"0192-id"}', ['k1.abc']] }];
    const text = script({ name: 'grant', weight: 1, statements, fresh });
    expect(text).toContain(`'{"key":"' || 'k1.' || :n::text || '","id":"' || gen_random_uuid()::text || '"}'`);
    expect(text).toContain(`ARRAY[('k1.' || :n::text)]::text[]`);
  });

  test('leaves nothing in a literal that pgbench would take for a variable, nor a quote that ends it', () => {
    const statements = [{ text: `SELECT to_char(now(), 'HH24:MI'), $1`, values: [`{"done":true,"who":"O'Neil"}`] }];
    const text = script({ name: 'grant', weight: 1, statements, fresh: new Map() });
    expect(text).toContain(`'HH24:' || 'MI'`);
    expect(text).toContain(`'{"done":' || 'true,"who":"O''Neil"}'`);
  });
});
