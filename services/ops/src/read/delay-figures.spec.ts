import { describe, expect, test } from '@jest/globals';
import { delaySeries, heatLimitsS, heatMap, percentilesOf, stageFigures, type Marks } from './delay-figures.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const done = (ago: number, delay: number, more: Partial<Marks> = {}): Marks => ({
  changeId: `chg_${ago}`,
  committed: now - ago,
  published: now - ago + 10,
  consumed: now - ago + 25,
  gate: now - ago + 40,
  accepted: now - ago + delay,
  confirmed: null,
  visible: now - ago + delay + 5,
  settled: true,
  ...more,
});
const open = (ago: number): Marks => done(ago, 0, { accepted: null, visible: null, settled: false });

describe('percentiles are of what was measured, never between two values', () => {
  test.each([
    [[], null],
    [[7], { p50: 7, p95: 7, p99: 7 }],
    [[3, 1, 2, 4], { p50: 2, p95: 4, p99: 4 }],
    [Array.from({ length: 100 }, (_, n) => n + 1), { p50: 50, p95: 95, p99: 99 }],
  ])('%j', (values, expected) => expect(percentilesOf(values)).toEqual(expected));
});

test('each stage counts only those that finished it, and clocks that disagree never give less than 0', () => {
  const figures = stageFigures([done(5_000, 400), open(3_000), done(2_000, 20, { published: now - 2_001 })]);
  const of = (stage: string) => figures.find((one) => one.stage === stage);
  expect(of('published')).toMatchObject({ count: 3, p50: 10 });
  expect(of('accepted')).toMatchObject({ count: 2, p50: 0, p99: 375 });
  expect(of('whole')).toMatchObject({ count: 2, p99: 400 });
  expect(of('confirmed')).toBeUndefined();
});

test('the series leaves spans without an acceptance out and keeps the newest last', () => {
  const series = delaySeries([done(300_000, 100), done(299_000, 300), open(150_000), done(0, 50)], now);
  expect(series.map(({ count, p50 }) => [count, p50])).toEqual([
    [2, 100],
    [1, 50],
  ]);
});

test('the heat map puts what is open in its own row, leaves out what needed no acceptance, and names the slowest', () => {
  const never = done(100, 0, { accepted: null, settled: true });
  const { cells } = heatMap([done(600_000, 200), done(599_000, 240), done(10, 20_000), open(1_000), never], now);
  const counts = cells.map((row) => row.reduce((sum, { count }) => sum + count, 0));
  expect(counts).toEqual([2, 0, 0, 0, 0, 1, 0, 0, 1]);
  expect(cells[0]?.[0]).toEqual({ count: 2, example: 'chg_599000' });
  expect(heatLimitsS).toContain(10);
  expect(cells.at(-1)?.at(-1)).toEqual({ count: 1, example: 'chg_1000' });
});
