import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../sim/engine/random.ts';
import { strike, type Fault } from './fault-menu.ts';
import type { Recording } from './recording.ts';

/** F20: up to this many at once, never two at the same target. */
const atOnce = 3;
/** Quiet between two faults of one hand, milliseconds. */
const restMs: readonly [number, number] = [500, 4_000];

export interface Struck {
  readonly fault: Fault;
}

/** Strikes at random until told to stop; resolves when everything it did is healed. */
export async function harass(
  menu: readonly Fault[],
  recording: Recording,
  random: Random,
  signal: AbortSignal,
): Promise<Struck[]> {
  const busy = new Set<string>();
  const struck: Struck[] = [];
  const kinds = [...new Set(menu.map(({ id }) => id))];
  const hand = async (): Promise<void> => {
    while (!signal.aborted) {
      // Kinds first: there are more ways to be slow than to lose a broker.
      const kind = random.pick(kinds);
      const free = menu.filter(({ id, target }) => id === kind && !busy.has(groupOf(target)));
      if (free.length > 0) {
        const fault = random.pick(free);
        busy.add(groupOf(fault.target));
        await strike(fault, recording, random, signal);
        busy.delete(groupOf(fault.target));
        struck.push({ fault });
      }
      await pause(random.between(...restMs), undefined, { signal }).catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, hand));
  return struck;
}

/** One of three brokers at a time, and none while two are down: a cluster without quorum is a fault of its own. */
const groupOf = (target: string): string => (target.startsWith('broker') ? 'broker' : target);
