import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ofNanoseconds } from '../clock.ts';
import type { TapLine } from '../lines/orders.ts';

/** One request as the tap saw it pass, in milliseconds of the history's clock. */
export interface Passed extends Pick<TapLine, 'names' | 'isShare'> {
  /** The first byte came by at the latest now, and at the earliest so much earlier. */
  readonly at: number;
  readonly lateMs: number;
  readonly endedAt: number;
}

/** What passed one tap, by the port under which the partner saw it; each request is given out once. */
export class TapRecord {
  readonly #byPort = new Map<number, Passed[]>();

  add(port: number, passed: Passed): void {
    const known = this.#byPort.get(port);
    if (known) known.push(passed);
    else this.#byPort.set(port, [passed]);
  }

  /**
   * The newest request on that port that had come by when the partner noticed one. The tap stamps a byte before it passes it
   * on, and a connection's next request begins only after the answer to the one before, however late either was noticed.
   */
  take(port: number, arrivedAt: number): Passed | undefined {
    const passed = this.#byPort.get(port);
    const index = this.#newest(port, arrivedAt);
    return index < 0 ? undefined : passed?.splice(index, 1)[0];
  }

  /** When that request came by; before all times where there is none. */
  newest(port: number, arrivedAt: number): number {
    return this.#byPort.get(port)?.[this.#newest(port, arrivedAt)]?.at ?? -Infinity;
  }

  #newest(port: number, arrivedAt: number): number {
    return this.#byPort.get(port)?.findLastIndex(({ at }) => at <= arrivedAt) ?? -1;
  }

  /** What no partner told of. */
  left(): Passed[] {
    return [...this.#byPort.values()].flat();
  }
}

/** @returns by the name of the tap */
export async function readTap(file: string): Promise<ReadonlyMap<string, TapRecord>> {
  const taps = new Map<string, TapRecord>();
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const { tap, port, ns, lateNs, endedNs, names, isShare } = JSON.parse(text) as TapLine;
    const record = taps.get(tap) ?? new TapRecord();
    taps.set(tap, record);
    const endedAt = ofNanoseconds(endedNs);
    record.add(port, { names, isShare, at: ofNanoseconds(ns), lateMs: ofNanoseconds(lateNs), endedAt });
  }
  return taps;
}
