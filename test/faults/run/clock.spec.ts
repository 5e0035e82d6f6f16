import { describe, expect, test } from '@jest/globals';
import { monotonicOfWall } from './clock.ts';

describe('wall time as monotonic time', () => {
  const origin = 1_790_000_000_000;

  test('is the same however long the process stood between its two readings', () => {
    let passed = 5_000;
    const pauses = [40, 0, 0];
    const wall = (): number => {
      const now = origin + passed;
      passed += pauses.shift() ?? 0;
      return now;
    };
    expect(monotonicOfWall(origin + 1_234, wall, () => passed)).toBe(1_234);
    expect(pauses).toEqual([0]);
  });
});
