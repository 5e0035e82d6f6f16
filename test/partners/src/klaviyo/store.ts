import { record, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';

export interface Profile {
  readonly id: string;
  readonly email: string;
  /** Standard attributes: first name, organization and the like. */
  readonly attributes: Json;
  /** Custom properties. */
  readonly properties: Json;
  readonly consent: 'NEVER_SUBSCRIBED' | 'UNSUBSCRIBED';
  /** Reasons of the global suppressions in force. */
  readonly suppressions: readonly ('USER_SUPPRESSED' | 'UNSUBSCRIBE')[];
}

export interface Job {
  readonly id: string;
  readonly kind: 'suppress' | 'unsuppress';
  readonly emails: readonly string[];
  /** By the partner's clock. */
  readonly createdMs: number;
  settledMs: number | undefined;
}

const keyOf = (email: string): string => email.trim().toLowerCase();
const idOf = (prefix: string, number: number): string => `${prefix}${String(number).padStart(26 - prefix.length, '0')}`;

/** Profiles, suppressions and jobs: a fold over effects. */
export class KlaviyoStore {
  readonly #profiles = new Map<string, Profile>();
  readonly jobs = new Map<string, Job>();
  #made = 0;

  profile(email: string): Profile | undefined {
    return this.#profiles.get(keyOf(email));
  }

  byId(id: string): Profile | undefined {
    return [...this.#profiles.values()].find((profile) => profile.id === id);
  }

  /** The profile as it would be made for an address that has none. */
  draft(email: string): Profile {
    return {
      id: idOf('01', this.#made + 1),
      email: keyOf(email),
      attributes: {},
      properties: {},
      consent: 'NEVER_SUBSCRIBED',
      suppressions: [],
    };
  }

  nextJobId(): string {
    return idOf('JOB', this.jobs.size + 1);
  }

  apply(effect: Deed): void {
    const detail = record(effect.detail);
    switch (effect.what) {
      case 'profileWritten':
        for (const email of effect.identifiers) this.#change(email, (held) => written(held, detail));
        break;
      case 'suppressed':
        for (const email of effect.identifiers) this.#change(email, (held) => suppressed(held, 'USER_SUPPRESSED'));
        break;
      case 'unsuppressed':
        for (const email of effect.identifiers)
          if (this.profile(email) !== undefined) this.#change(email, withoutOurSuppression);
        break;
      case 'unsubscribed':
        for (const email of effect.identifiers)
          this.#change(email, (held) => ({ ...suppressed(held, 'UNSUBSCRIBE'), consent: 'UNSUBSCRIBED' }));
        break;
      case 'deleted':
        for (const email of effect.identifiers) this.#profiles.delete(keyOf(email));
        break;
      case 'jobCreated': {
        const id = effect.scope.slice('job/'.length);
        const kind = detail['kind'] === 'unsuppress' ? 'unsuppress' : 'suppress';
        const createdMs = Number(detail['createdMs']);
        this.jobs.set(id, { id, kind, emails: effect.identifiers, createdMs, settledMs: undefined });
        break;
      }
      case 'jobSettled': {
        const job = this.jobs.get(effect.scope.slice('job/'.length));
        if (job !== undefined) job.settledMs = Number(detail['settledMs']);
        break;
      }
      default:
    }
  }

  state(id?: string): unknown {
    if (id === undefined) return { profiles: [...this.#profiles.values()], jobs: [...this.jobs.values()] };
    return this.profile(id) ?? { email: keyOf(id), unknown: true };
  }

  #change(email: string, to: (held: Profile) => Profile): void {
    const held = this.profile(email);
    if (held === undefined) this.#made += 1;
    this.#profiles.set(keyOf(email), to(held ?? { ...this.draft(email), id: idOf('01', this.#made) }));
  }
}

/** What a write of attributes makes of a profile: a property that is given as null is taken away. */
export function written(held: Profile, given: Json): Profile {
  const properties = { ...held.properties, ...record(given['properties']) };
  return {
    ...held,
    attributes: { ...held.attributes, ...record(given['attributes']) },
    properties: Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== null)),
  };
}

const suppressed = (held: Profile, reason: Profile['suppressions'][number]): Profile => ({
  ...held,
  suppressions: [...new Set([...held.suppressions, reason])],
});

/** Only suppressions with this reason are lifted: who unsubscribed stays unsubscribed. */
const withoutOurSuppression = (held: Profile): Profile => ({
  ...held,
  suppressions: held.suppressions.filter((reason) => reason !== 'USER_SUPPRESSED'),
});
