import { timing } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { BeatLog, leaseRemainingMs, read } from './lease.ts';

const sent = { wall: 1_800_000_000_000, monotonic: 5_000 };
const later = (monotonic: number, wall = monotonic) => ({
  wall: sent.wall + wall,
  monotonic: sent.monotonic + monotonic,
});

describe('GATE-2 LEASE: counted from the sending, by the greater elapsed time', () => {
  test.each([
    ['at the sending', later(0), 1950],
    ['after a second', later(1000), 950],
    ['at its end', later(1950), 0],
    ['wall clock stepped back an hour: monotonic counts', later(1000, -3_600_000), 950],
    ['host slept, monotonic time stood: wall time counts', later(10, 60_000), 1950 - 60_000],
    ['process stopped for 10 s: both clocks went on', later(10_000), 1950 - 10_000],
  ])('%s', (_when, now, remaining) => {
    expect(leaseRemainingMs(sent, now)).toBe(remaining);
  });

  test('no beat, no lease', () => expect(leaseRemainingMs(null, sent)).toBe(0));
  test('the lease is 50 ms shorter than D', () => expect(timing.maxStalenessMs - timing.leaseMs).toBe(50));
});

describe('beats', () => {
  test('numbers grow by one; a beat too old to be worth a lease is forgotten, a newer one never', () => {
    const beats = new BeatLog();
    for (let number = 1; number <= 100; number += 1) expect(beats.send(later(number * timing.beatMs))).toBe(number);
    const now = later(100 * timing.beatMs);
    for (let number = 1; number <= 100; number += 1) {
      const reading = beats.sentAt(number);
      if (reading === undefined) expect(leaseRemainingMs(later(number * timing.beatMs), now)).toBeLessThanOrEqual(0);
      else expect(reading).toEqual(later(number * timing.beatMs));
    }
    expect(beats.sentAt(100)).toBeDefined();
    expect(beats.sentAt(101)).toBeUndefined();
  });

  test('two leases’ worth of beats are remembered, and no more', () => {
    const beats = new BeatLog();
    for (let number = 1; number <= 100; number += 1) beats.send(later(number));
    const worth = 2 * Math.ceil(timing.leaseMs / timing.beatMs);
    const remembered = Array.from({ length: 100 }, (_, index) => index + 1).filter((number) => beats.sentAt(number));
    expect([remembered[0], remembered.length]).toEqual([101 - worth, worth]);
  });

  test('a reading is of both clocks', () => {
    expect(read({ now: () => 7, monotonic: () => 3 })).toEqual({ wall: 7, monotonic: 3 });
  });
});
