import { expect, test } from '@jest/globals';
import { check } from './check.ts';
import { exact } from './testing/small-history.ts';
import { lawfulRun } from './testing/lawful-run.ts';

/**
 * Reliability-plan §6: 1e6 events are checked in at most this many milliseconds. Counted in processor time, the garbage
 * collector's threads included, so that whatever else runs on the machine changes nothing.
 */
const limitMs = 10_000;

/** Park and Miller's minimal standard generator: equal seeds, equal runs. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

test('a lawful run of a million events is checked within ten seconds, and is clean', () => {
  const recipients = ['ads', 'crm', 'web'];
  const events = lawfulRun({ subjects: 1850, rounds: 10, recipients, partitions: 12, choose: seeded(20_261_122) });
  expect(events.length).toBeGreaterThanOrEqual(1_000_000);
  const began = process.cpuUsage();
  const violations = check({ settings: exact, events });
  const { user, system } = process.cpuUsage(began);
  const tookMs = (user + system) / 1000;
  console.info(`${events.length} events checked in ${Math.round(tookMs)} ms of processor time`);
  expect(violations.slice(0, 3)).toEqual([]);
  expect(tookMs).toBeLessThanOrEqual(limitMs);
}, 60_000);
