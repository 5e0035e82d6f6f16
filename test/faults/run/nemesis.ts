import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../sim/engine/random.ts';
import { strike, type Fault } from './faults/fault.ts';
import type { Recording } from './recording.ts';

/** F20: up to this many at once, never two at the same target. */
const atOnce = 3;
/** Quiet between two faults of one hand, milliseconds. */
const restMs: readonly [number, number] = [500, 4_000];

/** Strikes at random until told to stop; resolves when everything it did is healed. */
export async function harass(
  menu: readonly Fault[],
  recording: Recording,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const busy = new Set<string>();
  const kinds = [...new Set(menu.map(({ id }) => id))];
  const hand = async (): Promise<void> => {
    while (!signal.aborted) {
      // Kinds first, then what is done, then to whom: there are more ways to be slow than to lose a broker.
      const kind = random.pick(kinds);
      const free = menu.filter(({ id, target }) => id === kind && groupsOf(target).every((group) => !busy.has(group)));
      const ways = [...new Set(free.map(({ how }) => how))];
      if (ways.length > 0) {
        const way = random.pick(ways);
        const fault = random.pick(free.filter(({ how }) => how === way));
        const groups = groupsOf(fault.target);
        for (const group of groups) busy.add(group);
        await strike(fault, recording, random, signal);
        for (const group of groups) busy.delete(group);
      }
      await pause(random.between(...restMs), undefined, { signal }).catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, hand));
}

/**
 * What must not be struck twice at once. One of three brokers at a time, and none while two are down: a cluster without
 * quorum is a fault of its own. Whoever kills processes one by one wants them all for itself, and whoever takes a log away must
 * first have read it: no broker, process or member may hide anything meanwhile.
 */
function groupsOf(target: string): readonly string[] {
  if (target === 'log') return ['process', 'broker', 'group', 'records', 'line-kafka'];
  if (target.startsWith('broker')) return ['broker'];
  if (ofItsOwn.has(target) || target.startsWith('line-') || target.startsWith('partner-')) return [target];
  return ['process'];
}

const ofItsOwn: ReadonlySet<string> = new Set(['group', 'database', 'records', 'clock']);
