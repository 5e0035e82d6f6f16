import { expect, test } from '@jest/globals';
import { PositionPace } from './position-pace.ts';

const [one, other] = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
];

test('DLV-1: an idle partition is stored once in a while, each by its own clock', () => {
  let now = 1_000;
  const pace = new PositionPace(() => now);
  expect(pace.due(one)).toBe(true);
  // The commit failed: nothing is stored yet.
  expect(pace.due(one)).toBe(true);
  pace.stored(one);
  expect(pace.due(one)).toBe(false);
  expect(pace.due(other)).toBe(true);
  now += 4_999;
  expect(pace.due(one)).toBe(false);
  now += 1;
  expect(pace.due(one)).toBe(true);
});
