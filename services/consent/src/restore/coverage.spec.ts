import { describe, expect, test } from '@jest/globals';
import { holesIn } from './coverage.ts';
import type { Kept } from './coverage.ts';

const hour = 3_600_000;
const now = 1_000 * hour;
const kept = (topic: string, retentionMs: number, given: Partial<Kept> = {}): Kept => ({
  ...{ topic, partition: 3, low: 0n, firstAt: now - hour, newestAt: now - hour, retentionMs },
  ...given,
});
const complete = (given?: Partial<Kept>) => kept('changes', 336 * hour, given);
const express = (given?: Partial<Kept>) => kept('revocations', 6 * hour, given);

describe('RST-4 whether the logs reach back to the backup', () => {
  test.each([
    { what: 'nothing was deleted', log: {}, lane: {}, backup: 0, holes: [] },
    {
      what: 'the first record kept is in the backup',
      log: { low: 9n, firstAt: now - 5 * hour },
      lane: {},
      backup: now - 2 * hour,
      holes: [],
    },
    {
      what: 'the backup ends before it',
      log: { low: 9n, firstAt: now - 5 * hour },
      lane: {},
      backup: now - 6 * hour,
      holes: ['changes'],
    },
    {
      what: 'no record kept, and a backup younger than retention',
      log: { low: 9n, firstAt: null, newestAt: null },
      lane: {},
      backup: now - 300 * hour,
      holes: [],
    },
    {
      what: 'no record kept, and a backup older than retention',
      log: { low: 9n, firstAt: null, newestAt: null },
      lane: {},
      backup: now - 340 * hour,
      holes: ['changes'],
    },
    {
      what: 'an express lane that begins after the complete log ends',
      log: { newestAt: now - 9 * hour },
      lane: { low: 9n, firstAt: now - 3 * hour },
      backup: now - 20 * hour,
      holes: ['revocations'],
    },
    {
      what: 'an express lane whose deleted part stands in the complete log',
      log: { newestAt: now - hour },
      lane: { low: 9n, firstAt: now - 3 * hour },
      backup: now - 20 * hour,
      holes: [],
    },
    {
      what: 'an empty express lane, long after the complete log ends',
      log: { newestAt: now - 9 * hour },
      lane: { low: 9n, firstAt: null },
      backup: now - 20 * hour,
      holes: ['revocations'],
    },
  ])('$what', ({ log, lane, backup, holes }) =>
    expect(
      holesIn([{ express: express(lane), complete: complete(log) }], backup, now).map(({ topic }) => topic),
    ).toEqual(holes),
  );
});
