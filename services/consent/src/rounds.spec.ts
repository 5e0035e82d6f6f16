import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Rounds } from './rounds.ts';

/** Long enough for a timer of 0 ms to have fired many times over. */
const aWhileMs = 20;

test('rounds follow each other, never two at once, and stop waits for the one that runs', async () => {
  const begun: (() => void)[] = [];
  let [running, most] = [0, 0];
  const rounds = new Rounds(0, async () => {
    most = Math.max(most, (running += 1));
    await new Promise<void>((resolve) => begun.push(resolve));
    running -= 1;
  });
  const until = async (count: number): Promise<void> => {
    while (begun.length < count) await turn();
  };
  rounds.start();
  await until(1);
  begun[0]!();
  await until(2);
  const stopped = rounds.stop().then(() => 'stopped');
  expect(rounds.stopped).toBe(true);
  expect(await Promise.race([stopped, turn().then(() => 'runs')])).toBe('runs');
  begun[1]!();
  expect(await stopped).toBe('stopped');
  await pause(aWhileMs);
  expect([begun.length, most, running]).toEqual([2, 1, 0]);
});

test('what is stopped before its first round has none', async () => {
  let rounds = 0;
  const work = new Rounds(0, () => Promise.resolve(void (rounds += 1)));
  work.start();
  await work.stop();
  await pause(aWhileMs);
  expect(rounds).toBe(0);
});
