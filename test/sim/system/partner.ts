import type { Random } from '../engine/random.ts';
import { SimProcess } from '../engine/sim-process.ts';
import type { Effect } from '../../faults/checker/history.ts';
import type { World } from './world.ts';

/** One person's part of a call. */
export interface PartnerItem {
  readonly subject: string;
  readonly purpose?: string;
  readonly purposes: readonly string[];
  readonly version?: number;
  readonly request?: string;
}

export interface PartnerCall {
  readonly effect: Effect;
  readonly attempt: string;
  readonly items: readonly PartnerItem[];
}

export interface PartnerAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How a partner may fail for a while (F8, F9). */
export type PartnerFault =
  'none' | 'slow' | 'throttled' | 'error-before' | 'error-after' | 'lost-answer' | 'error-body' | 'hang' | 'html';

/** What a partner takes for one call, milliseconds. */
const workMs = { least: 1, mean: 6 };

/** A system that holds people's data: takes effects in the order of arrival, and answers in its own fashion. */
export class SimPartner {
  readonly recipient: string;
  readonly process: SimProcess;
  fault: PartnerFault = 'none';
  /** Part of the calls that the fault hits. */
  faultChance = 1;
  readonly held = new Map<string, Set<string>>();
  /** Purposes a revocation has barred until a reinstatement. */
  readonly #barred = new Map<string, Set<string>>();
  readonly #world: World;
  readonly #random: Random;

  constructor(world: World, recipient: string, random: Random) {
    this.#world = world;
    this.recipient = recipient;
    this.#random = random;
    this.process = new SimProcess(`partner:${recipient}`);
  }

  /** It has this person from elsewhere, without a share of ours (DLV-6). */
  preload(subject: string, purposes: readonly string[]): void {
    // A loss of the consent database makes somebody's first record come again.
    if (!this.held.has(subject)) this.held.set(subject, new Set(purposes));
  }

  /** A request has arrived. @param answer called when the answer leaves; never for one that is lost */
  receive(call: PartnerCall, answer: (answer: PartnerAnswer | null) => void): void {
    const { scheduler } = this.#world;
    const fault = this.#random.chance(this.faultChance) ? this.fault : 'none';
    const took =
      workMs.least + this.#random.exponential(workMs.mean) + (fault === 'slow' ? this.#random.between(200, 4_000) : 0);
    scheduler.after(took, () => this.#work(call, fault, answer), null);
  }

  #work(call: PartnerCall, fault: PartnerFault, answer: (answer: PartnerAnswer | null) => void): void {
    const { scheduler } = this.#world;
    const takesEffect =
      !['throttled', 'error-before', 'error-body', 'html'].includes(fault) &&
      !(fault === 'hang' && this.#random.chance(0.5));
    const answered = fault !== 'lost-answer' && fault !== 'hang';
    const accepted = takesEffect && fault !== 'error-after';
    for (const item of call.items) {
      const changed = takesEffect ? this.#apply(call.effect, item) : undefined;
      this.#world.history.add({
        ...{ kind: 'partner.request', at: scheduler.now, controller: 'acme', subject: item.subject },
        ...{ recipient: this.recipient, attempt: call.attempt, effect: call.effect, purposes: item.purposes },
        ...(item.version === undefined ? {} : { version: item.version }),
        ...(item.request === undefined ? {} : { request: item.request }),
        outcome: accepted ? 'applied' : fault === 'throttled' ? 'rate-limited' : 'error',
        ...(takesEffect ? { effectAt: scheduler.now } : {}),
        ...(changed === undefined ? {} : { changed }),
        answered,
      });
    }
    if (fault === 'hang') scheduler.after(20_000, () => answer(null), null);
    else answer(answered ? this.#answerOf(fault) : null);
  }

  #answerOf(fault: PartnerFault): PartnerAnswer {
    switch (fault) {
      case 'throttled':
        return { status: 429, headers: { 'retry-after': '1' }, body: '{}' };
      case 'error-before':
      case 'error-after':
        return { status: this.#random.pick([500, 502, 503]), headers: {}, body: '{}' };
      case 'error-body':
        return { status: 200, headers: {}, body: JSON.stringify({ ok: false, error: 'not now' }) };
      case 'html':
        return { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' };
      case 'none':
      case 'slow':
      case 'lost-answer':
      case 'hang':
        return { status: 200, headers: {}, body: JSON.stringify({ ok: true }) };
    }
  }

  /** @returns whether what it holds is another afterwards */
  #apply(effect: Effect, { subject, purposes }: PartnerItem): boolean {
    const held = this.held.get(subject) ?? new Set<string>();
    const barred = this.#barred.get(subject) ?? new Set<string>();
    this.held.set(subject, held);
    this.#barred.set(subject, barred);
    const before = [...held].sort().join();
    switch (effect) {
      case 'share':
        for (const purpose of purposes) if (!barred.has(purpose)) held.add(purpose);
        break;
      case 'reinstate':
        for (const purpose of purposes) barred.delete(purpose);
        break;
      case 'revoke':
      case 'erase':
        for (const purpose of purposes) {
          held.delete(purpose);
          barred.add(purpose);
        }
        break;
    }
    return [...held].sort().join() !== before;
  }
}
