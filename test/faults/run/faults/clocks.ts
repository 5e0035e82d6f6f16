import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../../sim/engine/random.ts';
import { monotonicMs } from '../clock.ts';
import type { World } from '../world.ts';
import { second, type Fault } from './fault.ts';

interface Wrong {
  readonly how: string;
  readonly aheadMs: number;
  readonly ppm: number;
}

const wrongs: readonly Wrong[] = [
  { how: 'five minutes ahead', aheadMs: 300 * second, ppm: 0 },
  { how: 'five minutes back', aheadMs: -300 * second, ppm: 0 },
  { how: 'a second back', aheadMs: -second, ppm: 0 },
  { how: '500 ppm too fast', aheadMs: 0, ppm: 500 },
  { how: '500 ppm too slow', aheadMs: 0, ppm: -500 },
];

/** F12: "clock: +-5 min step, +-500 ppm drift, backwards jump, leap, per process", of what a process takes for the time of day. */
export const clockFaults = (world: World, random: Random): Fault[] =>
  world.clocks === null ? [] : wrongs.map((wrong) => wrongClock(wrong, world.clocks ?? '', world, random));

const wrongClock = (
  { how, aheadMs, ppm }: Wrong,
  clocks: string,
  { victims, wrongClocks }: World,
  random: Random,
): Fault => ({
  ...{ id: 'F12', how: `clock ${how}`, target: 'clock', lasts: [3 * second, 15 * second] },
  async impose() {
    const { name, process } = random.pick(victims);
    const file = join(clocks, process.definition.env['INSTANCE'] ?? name);
    const text = JSON.stringify({ aheadMs, ppm });
    const isRight = wrongClocks.begin(process.definition.env['GATE_NAME'] ?? name, monotonicMs());
    // Whole or not at all: it is read ten times a second.
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
    const isHeard = await heard(file, text);
    if (!isHeard) await rm(file, { force: true });
    if (!isHeard) return null;
    return {
      event: { what: 'clock', target: name },
      async heal() {
        await rm(file);
        // Killed or stopped meanwhile, it may not have heard: then nobody goes by what it says any more.
        if (await heard(file, '')) isRight(monotonicMs());
        return 1;
      },
    };
  },
});

const heardWithinMs = 2 * second;

/** Whether the process goes by it: it may be dead or stopped just now. */
async function heard(file: string, text: string): Promise<boolean> {
  for (const until = performance.now() + heardWithinMs; performance.now() < until; await pause(50))
    if ((await readFile(`${file}.seen`, 'utf8').catch(() => null)) === text) return true;
  return false;
}
