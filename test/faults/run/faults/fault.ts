import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../../sim/engine/random.ts';
import type { Nemesis } from '../../checker/index.ts';
import { monotonicMs } from '../clock.ts';
import type { Recording } from '../recording.ts';

/** A fault while it is in force. */
export interface Imposed {
  readonly event: Pick<Nemesis, 'what' | 'target' | 'cutsProof'>;
  /** @returns how much it struck, where that is counted */
  heal(): Promise<number | void>;
}

export interface Fault {
  /** F1 … F20 of the fault matrix (reliability-plan §5). */
  readonly id: string;
  /** For the reader. */
  readonly how: string;
  /** What it strikes; two faults never strike the same at once. */
  readonly target: string;
  /** Milliseconds in force: least and most. */
  readonly lasts: readonly [number, number];
  /** @param signal the run is over @returns null when there was nothing to strike in the time it waited for */
  impose(signal: AbortSignal): Promise<Imposed | null>;
}

export const second = 1_000;

/** Imposes one fault for its time, and writes down from when to when it was truly in force. */
export async function strike(fault: Fault, recording: Recording, random: Random, signal: AbortSignal): Promise<void> {
  const { id, how, lasts } = fault;
  // The fault may have begun at `at` and ended at `to`; it was there for certain between `sureFrom` and `sureTo`.
  const at = monotonicMs();
  const imposed = await recording.during(`imposing ${id} ${how}`, () => fault.impose(signal));
  if (imposed === null) return recording.missed(`${id} ${how}`);
  const sureFrom = monotonicMs();
  // The only failure of a pause is the end of the run, and then the fault is healed at once.
  await pause(random.between(...lasts), undefined, { signal }).catch(() => undefined);
  const sureTo = monotonicMs();
  const hits = await recording.during(`healing ${id} ${how}`, () => imposed.heal());
  recording.add({
    ...{ kind: 'nemesis', at, to: monotonicMs(), sureFrom, sureTo, fault: id, how, ...imposed.event },
    ...(typeof hits === 'number' ? { hits } : {}),
  });
}
