import { expect, test } from '@jest/globals';
import { Lateness } from './lateness.ts';

const ms = (count: number): bigint => BigInt(count) * 1_000_000n;

function ticking() {
  let now = 0n;
  const lateness = new Lateness(() => now);
  return { lateness, at: (count: number) => ((now = ms(count)), lateness) };
}

test('a process that ticks in time notices within a tick', () => {
  const { at } = ticking();
  at(5).tick();
  at(10).tick();
  expect(at(12).lately()).toBe(ms(5));
});

test('one that stalled may have been waited for as long, noticed before its next tick or soon after', () => {
  const { at } = ticking();
  at(5).tick();
  expect(at(30).lately()).toBe(ms(25));
  at(31).tick();
  expect(at(34).lately()).toBe(ms(26));
});

test('and no longer than the moment it takes to read what came meanwhile', () => {
  const { at } = ticking();
  at(30).tick();
  for (let tick = 35; tick <= 140; tick += 5) at(tick).tick();
  expect(at(141).lately()).toBe(ms(5));
});
