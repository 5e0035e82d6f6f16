import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

interface Link {
  blockedUntil: number;
  extraMs: number;
}

/** One-way delay of a healthy network in one building, milliseconds. */
const base = { least: 0.15, mean: 0.35 };

/** Delays and cuts between named places. A cut holds bytes back, as TCP does, until it heals or a side gives up. */
export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #links = new Map<string, Map<string, Link>>();

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  /** One direction; both ways are two calls. */
  cut(from: string, to: string, ms: number): void {
    const link = this.#link(from, to);
    link.blockedUntil = Math.max(link.blockedUntil, this.#scheduler.now + ms);
  }

  slow(from: string, to: string, extraMs: number): void {
    this.#link(from, to).extraMs = extraMs;
  }

  healAll(): void {
    for (const links of this.#links.values())
      for (const link of links.values()) {
        link.blockedUntil = 0;
        link.extraMs = 0;
      }
  }

  isCut(from: string, to: string): boolean {
    return this.#link(from, to).blockedUntil > this.#scheduler.now;
  }

  /** When something sent now arrives. */
  arrival(from: string, to: string): number {
    return this.transit(from, to).arrivesAt;
  }

  /** Until it leaves, its sender's kernel holds it: a reset drops it there, and only there. */
  transit(from: string, to: string): { readonly leavesAt: number; readonly arrivesAt: number } {
    const link = this.#link(from, to);
    const delay = base.least + this.#random.exponential(base.mean) + link.extraMs * (0.5 + this.#random.next());
    const leavesAt = Math.max(this.#scheduler.now, link.blockedUntil);
    return { leavesAt, arrivesAt: leavesAt + delay };
  }

  #link(from: string, to: string): Link {
    let links = this.#links.get(from);
    if (links === undefined) this.#links.set(from, (links = new Map<string, Link>()));
    let link = links.get(to);
    if (link === undefined) links.set(to, (link = { blockedUntil: 0, extraMs: 0 }));
    return link;
  }
}
