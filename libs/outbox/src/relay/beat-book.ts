import type { GateBeat, GateStartId, ReturnedBeat } from '@entente/contracts';

/** A gate start as its newest beat describes it. */
export interface NotedStart {
  readonly beat: GateBeat;
  /** Monotonic milliseconds of this host. */
  readonly heardAt: number;
}

/** A start not heard for this long is forgotten; it registers again with its next beat (GATE-6). */
const forgetAfterMs = 60_000;

/**
 * The newest beat of each gate start (REL-4 step 1). An ended start stays ended: a beat that was under way when it signed off
 * must not bring its row back, or `wait=gates` would wait for a gate that is gone.
 */
export class BeatBook {
  readonly #starts = new Map<GateStartId, NotedStart>();
  readonly #ended = new Map<GateStartId, number>();

  heard(beat: GateBeat, now: number): void {
    if (this.#ended.has(beat.start)) return;
    const noted = this.#starts.get(beat.start);
    if (noted !== undefined && noted.beat.number >= beat.number) return;
    this.#starts.set(beat.start, { beat, heardAt: now });
  }

  signedOff(start: GateStartId, now: number): void {
    this.#starts.delete(start);
    this.#ended.set(start, now);
  }

  /** Starts that signed off lately. */
  ended(): GateStartId[] {
    return [...this.#ended.keys()];
  }

  /** A copy: what is heard later belongs to a later pass. */
  note(now: number): ReadonlyMap<GateStartId, GateBeat> {
    for (const [start, { heardAt }] of this.#starts) if (now - heardAt > forgetAfterMs) this.#starts.delete(start);
    for (const [start, at] of this.#ended) if (now - at > forgetAfterMs) this.#ended.delete(start);
    return new Map([...this.#starts].map(([start, { beat }]) => [start, beat]));
  }
}

/** Database time of a row of the `gate` table, as its age. */
export type RegisteredStarts = ReadonlyMap<GateStartId, { readonly lastSeenAgeMs: number }>;

/** GATE-6: `last_seen` is refreshed when it is older than this. */
const refreshAfterMs = 10_000;

/** Starts whose row must be written in step (1): unknown ones, and those not refreshed for 10 s. */
export function toRegister(noted: ReadonlyMap<GateStartId, GateBeat>, known: RegisteredStarts): GateBeat[] {
  return [...noted.values()].filter(({ start }) => {
    const row = known.get(start);
    return row === undefined || row.lastSeenAgeMs > refreshAfterMs;
  });
}

/**
 * REL-4 step (5): beats noted in step (1), whose start stood in the table in step (2), newer than the ones in the last
 * acknowledged watermark of this partition.
 */
export function beatsFor(
  noted: ReadonlyMap<GateStartId, GateBeat>,
  registered: RegisteredStarts,
  acknowledged: ReadonlyMap<GateStartId, number>,
): ReturnedBeat[] {
  return [...noted.values()]
    .filter(({ start, number }) => registered.has(start) && number > (acknowledged.get(start) ?? 0))
    .map(({ start, number }) => [start, number]);
}
