import { beforeEach, expect, test } from '@jest/globals';
import { Pace, type PaceParts } from './pace.ts';

let now = 0;

beforeEach(() => {
  now = 0;
});

const passing = (ms: number): Promise<void> => {
  now += ms;
  return Promise.resolve();
};

const paced = (parts: Partial<PaceParts>): Pace =>
  new Pace({
    ...{ rowsPerSecond: 1e9, clock: { now: () => now, monotonic: () => now }, pause: passing },
    ...{ isCrowded: () => Promise.resolve(false), isLive: () => false },
    ...parts,
  });

const at = (): Promise<number> => Promise.resolve(Math.round(now));

test('rows beyond the rate wait, those within it do not', async () => {
  const pace = paced({ rowsPerSecond: 1_000 });
  await expect(pace.step(100, at)).resolves.toBe(0);
  await expect(pace.step(1, at)).resolves.toBe(100);
});

test('REC-6: none is recorded while the urgent lane is crowded', async () => {
  const looks = [true, true, false];
  const pace = paced({ isCrowded: () => Promise.resolve(looks.shift() ?? false) });
  await expect(pace.step(1, () => Promise.resolve(looks.length))).resolves.toBe(0);
});

test('beside people who decide for themselves steps are short and followed by a rest, alone they are neither', async () => {
  const alone = paced({});
  await alone.step(400, () => passing(50));
  await expect(alone.step(400, at)).resolves.toBe(50);
  const beside = paced({ isLive: () => true });
  expect(beside.stepRows).toBeLessThan(alone.stepRows / 5);
  await beside.step(40, () => passing(50));
  await expect(beside.step(40, at)).resolves.toBe(50 + 200);
  await beside.step(40, () => passing(15_000));
  await expect(beside.step(40, at)).resolves.toBe(250 + 16_000);
});

test('beside live decisions the steps of two imports follow one another, also after one that failed', async () => {
  const pace = paced({ isLive: () => true });
  let running = 0;
  const told: number[] = [];
  const work = async (): Promise<void> => {
    running += 1;
    told.push(running);
    await passing(10);
    running -= 1;
    if (told.length === 1) throw new Error('no database');
  };
  const [first, ...others] = await Promise.allSettled([1, 2, 3].map(() => pace.step(20, work)));
  expect([first?.status, others.map(({ status }) => status), told]).toEqual([
    'rejected',
    ['fulfilled', 'fulfilled'],
    [1, 1, 1],
  ]);
});

test('a step that fails has taken its time all the same', async () => {
  const pace = paced({ isLive: () => true });
  await expect(pace.step(1, () => passing(30).then(() => Promise.reject(new Error('no database'))))).rejects.toThrow();
  await expect(pace.step(1, at)).resolves.toBe(120);
});
