import type { Outcome } from '@entente/connector-runtime';
import { expect, test } from '@jest/globals';
import { isolated, rejectedBatch } from './isolated.ts';

const applied: Outcome = { kind: 'applied' };

/** A partner that refuses any request with a bad row in it, and answers nothing else than that. */
function partner(bad: readonly number[], sizes: number[] = []) {
  return (items: number[]): Promise<Outcome[]> => {
    sizes.push(items.length);
    return Promise.resolve(items.map(() => (items.some((item) => bad.includes(item)) ? rejectedBatch : applied)));
  };
}

test.each([
  [[1, 2, 3, 4], []],
  [[1, 2, 3, 4], [3]],
  [
    [1, 2, 3, 4, 5],
    [1, 5],
  ],
  [[7], [7]],
  [
    [1, 2],
    [1, 2],
  ],
])('of %j only %j are refused, each on its own', async (items, bad) => {
  const outcomes = await isolated(items, partner(bad));
  expect(outcomes).toEqual(items.map((item) => (bad.includes(item) ? rejectedBatch : applied)));
});

test('nothing is sent twice that was not refused', async () => {
  const sizes: number[] = [];
  await isolated([1, 2, 3, 4], partner([], sizes));
  expect(sizes).toEqual([4]);
});

test('other refusals are final for all', async () => {
  let calls = 0;
  const outcomes = await isolated([1, 2], (items) => {
    calls += 1;
    return Promise.resolve(items.map((): Outcome => ({ kind: 'refused', why: 'permission' })));
  });
  expect([calls, outcomes.length]).toEqual([1, 2]);
});
