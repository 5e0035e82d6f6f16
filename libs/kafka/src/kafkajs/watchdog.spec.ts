import { expect, test } from '@jest/globals';
import { Watchdog } from './watchdog.ts';

const enough = 20;

test('a fetch without an answer is noticed, but not while the group is joined anew', () => {
  const stalled: string[] = [];
  const watchdog = new Watchdog((node) => stalled.push(node));
  watchdog.began('1');
  watchdog.began('2');
  watchdog.hold();
  for (let look = 0; look < enough; look += 1) watchdog.look();
  expect(stalled).toEqual([]);
  watchdog.release();
  watchdog.ended('2');
  watchdog.look();
  expect(stalled).toEqual([]);
  for (let look = 0; look < enough; look += 1) watchdog.look();
  expect(new Set(stalled)).toEqual(new Set(['1']));
});
