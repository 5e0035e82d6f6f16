import { record, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';

interface User {
  readonly amplitudeId: number;
  properties: Json;
  readonly counts: Record<string, number>;
  /** Wall clock of the newest event. */
  lastEventMs: number;
  /** Partner's clock from which it can be found: what was taken is processed first. */
  knownFromMs: number;
}

/** One person in a deletion job. A job is everything scheduled for one day. */
export interface Scheduled {
  readonly userId: string;
  readonly amplitudeId: number;
  /** `YYYY-MM-DD`, when the job runs. */
  readonly day: string;
  readonly requestedOn: string;
  readonly requester: string;
  /** Fault failLater: taken out of the job before it runs. */
  readonly bound: 'run' | 'vanish';
  ran: boolean;
}

export const dayMs = 86_400_000;
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Users, their properties and deletion jobs: a fold over effects. */
export class ProjectStore {
  readonly #users = new Map<string, User>();
  readonly #inserted = new Set<string>();
  #scheduled: Scheduled[] = [];
  #made = 0;

  seen(insertId: string): boolean {
    return this.#inserted.has(insertId);
  }

  /** Undefined while the user's first events are still being processed. */
  known(userId: string, nowMs: number): User | undefined {
    const user = this.#users.get(userId);
    return user !== undefined && user.knownFromMs <= nowMs ? user : undefined;
  }

  get scheduled(): readonly Scheduled[] {
    return this.#scheduled;
  }

  apply(effect: Deed, ms: number): void {
    const detail = record(effect.detail);
    const [userId = ''] = effect.identifiers;
    switch (effect.what) {
      case 'tracked':
      case 'identified':
      case 'duplicate':
        this.#event(userId, effect.what, detail, ms);
        break;
      case 'deletionScheduled':
        this.#scheduled.push({ ...(detail as unknown as Omit<Scheduled, 'ran'>), userId, ran: false });
        break;
      case 'deletionCancelled':
        this.#scheduled = this.#scheduled.filter(
          ({ amplitudeId, day }) => amplitudeId !== detail['amplitudeId'] || day !== detail['day'],
        );
        break;
      case 'deleted':
        this.#users.delete(userId);
        for (const each of this.#scheduled)
          if (each.amplitudeId === detail['amplitudeId'] && each.day === detail['day']) each.ran = true;
        break;
      default:
    }
  }

  state(id?: string): unknown {
    if (id === undefined) return { users: Object.fromEntries(this.#users), scheduled: this.#scheduled };
    const scheduled = this.#scheduled.filter(({ userId }) => userId === id);
    return { userId: id, ...(this.#users.get(id) ?? { unknown: true }), scheduled };
  }

  #event(userId: string, what: string, detail: Json, ms: number): void {
    if (typeof detail['insertId'] === 'string') this.#inserted.add(detail['insertId']);
    const held = this.#users.get(userId) ?? this.#newUser(Number(detail['knownFromMs']));
    held.counts[what] = (held.counts[what] ?? 0) + 1;
    if (what === 'duplicate') return;
    held.lastEventMs = ms;
    held.properties = { ...held.properties, ...record(detail['set']) };
    this.#users.set(userId, held);
  }

  /** A user that was deleted and comes back is a new one. */
  #newUser(knownFromMs: number): User {
    this.#made += 1;
    return { amplitudeId: 356_896_327_000 + this.#made, properties: {}, counts: {}, lastEventMs: 0, knownFromMs };
  }
}
