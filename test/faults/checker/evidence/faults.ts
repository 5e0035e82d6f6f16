import type { Nemesis, Settings } from '../history.ts';
import type { ByKind } from './by-kind.ts';
import { entry, merged, overlapping } from './intervals.ts';
import type { Interval } from './intervals.ts';

/** A fault with its end filled in. */
export interface FaultInterval extends Interval {
  readonly event: Nemesis;
}

/** When it certainly kept proofs away. */
export const blindness = ({ event, from, to }: FaultInterval): Interval => ({
  from: event.sureFrom ?? from,
  to: event.sureTo ?? to,
});

/** What was truly in force, and when nothing was. */
export class Faults {
  readonly all: readonly FaultInterval[];
  readonly #stops = new Map<string, FaultInterval[]>();
  readonly #blind = new Map<string, Interval[]>();
  readonly #everyoneBlind: Interval[];
  readonly #disturbed: Interval[];

  constructor(events: ByKind, settings: Settings) {
    this.all = events.of('nemesis').map((event) => ({ event, from: event.at, to: event.to ?? Infinity }));
    const blind = new Map<string, Interval[]>();
    const everyone: Interval[] = [];
    for (const fault of this.all) {
      const { what, target, cutsProof } = fault.event;
      if (what === 'stop') entry(this.#stops, target, () => []).push(fault);
      const surely = blindness(fault);
      if (cutsProof === 'all') everyone.push(surely);
      else for (const process of cutsProof ?? []) entry(blind, process, () => []).push(surely);
    }
    for (const [process, cuts] of blind) this.#blind.set(process, merged([...cuts, ...everyone]));
    this.#everyoneBlind = merged(everyone);
    this.#disturbed = merged(this.all.map(({ from, to }) => ({ from, to: to + settings.reopenMs })));
  }

  /** Stops of a process that overlap [from, to], newest last. */
  stopsIn(process: string, from: number, to: number): FaultInterval[] {
    return (this.#stops.get(process) ?? []).filter((stop) => stop.from <= to && stop.to >= from);
  }

  /** The unbroken stretch around `at` in which this process could receive no freshness proof. */
  blindAt(process: string, at: number): Interval | undefined {
    return overlapping(this.#blind.get(process) ?? this.#everyoneBlind, at, at);
  }

  /** A fault in force in [from, to], or healed less than `reopenMs` before. */
  disturbs(from: number, to: number): Interval | undefined {
    return overlapping(this.#disturbed, from, to);
  }

  /** The end of all that disturbed the time from `from` on for `patienceMs`: the clock for a promise starts again there. */
  calmAfter(from: number, patienceMs: number): number {
    let calm = from;
    for (;;) {
      const next = overlapping(this.#disturbed, calm, calm + patienceMs);
      if (!next || next.to <= calm) return calm;
      calm = next.to;
    }
  }
}
