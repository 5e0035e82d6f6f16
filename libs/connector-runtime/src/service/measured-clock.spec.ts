import { ManualClock } from '@entente/observability';
import { expect, test } from '@jest/globals';
import { MeasuredClock } from './measured-clock.ts';

test('F12 a step of the wall clock moves no time that is told in the database’s, and is told as an error', () => {
  const clock = new ManualClock(1_000_000);
  const measured = new MeasuredClock(clock);
  expect(measured.offset).toBeUndefined();
  measured.measured({ offsetMs: 40, errorMs: 2 });
  const databaseTime = () => clock.now() - (measured.offset?.offsetMs ?? 0);
  clock.advance(5_000);
  expect(databaseTime()).toBe(1_004_960);
  expect(measured.offset).toEqual({ offsetMs: 40, errorMs: 2 });
  clock.stepWall(300_000);
  clock.advance(1_000);
  expect(databaseTime()).toBe(1_005_960);
  expect(measured.offset).toEqual({ offsetMs: 300_040, errorMs: 300_002 });
  clock.stepWall(-600_000);
  expect(databaseTime()).toBe(1_005_960);
  measured.measured({ offsetMs: -299_960, errorMs: 3 });
  expect(measured.offset).toEqual({ offsetMs: -299_960, errorMs: 3 });
});
