import { expect, test } from '@jest/globals';
import { systemClock } from '@entente/observability';
import { Pace } from './pace.ts';

test('rows beyond the rate wait, those within it do not', async () => {
  const pace = new Pace({ rowsPerSecond: 1_000, clock: systemClock, isCrowded: () => Promise.resolve(false) });
  const began = systemClock.monotonic();
  await pace.turn(100);
  expect(systemClock.monotonic() - began).toBeLessThan(90);
  await pace.turn(1);
  expect(systemClock.monotonic() - began).toBeGreaterThan(95);
});

test('REC-6: none is recorded while the urgent lane is crowded', async () => {
  const looks = [true, true, false];
  const pace = new Pace({
    rowsPerSecond: 1e9,
    clock: systemClock,
    isCrowded: () => Promise.resolve(looks.shift() ?? false),
  });
  await pace.turn(1);
  expect(looks).toEqual([]);
});
