import { isRecord, record, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';

export interface Consent {
  readonly scope?: string;
  readonly typeIdentifier: string;
  readonly status: string;
  readonly statusDate?: string;
  readonly revokeDate?: string;
}

export interface Profile {
  readonly itemId: string;
  readonly properties: Json;
  /** By `scope/typeIdentifier`, or the type alone where the consent names no scope. */
  readonly consents: Readonly<Record<string, Consent>>;
}

export const newProfile = (itemId: string): Profile => ({ itemId, properties: {}, consents: {} });

/** Profiles: a fold over effects. */
export class UnomiStore {
  readonly #profiles = new Map<string, Profile>();
  /** A merged profile's id → its master's. */
  readonly #masters: ReadonlyMap<string, string>;

  constructor(masters: ReadonlyMap<string, string>) {
    this.#masters = masters;
  }

  masterOf(id: string): string {
    return this.#masters.get(id) ?? id;
  }

  /** The profile an id stands for: after a merge, the master. */
  load(id: string): Profile | undefined {
    return this.#profiles.get(this.masterOf(id));
  }

  apply(effect: Deed): void {
    const id = effect.identifiers[0] ?? '';
    const detail = record(effect.detail);
    const held = this.#profiles.get(id) ?? newProfile(id);
    switch (effect.what) {
      case 'profileCreated':
        this.#profiles.set(id, held);
        break;
      case 'consentSet': {
        const consent = detail['consent'];
        if (isRecord(consent))
          this.#profiles.set(id, {
            ...held,
            consents: { ...held.consents, [effect.scope.slice('consent/'.length)]: consent as unknown as Consent },
          });
        break;
      }
      case 'consentRemoved':
        this.#profiles.set(id, { ...held, consents: without(held.consents, effect.scope.slice('consent/'.length)) });
        break;
      case 'propertiesUpdated':
        this.#profiles.set(id, { ...held, properties: { ...held.properties, ...record(detail['properties']) } });
        break;
      case 'anonymized':
        this.#profiles.set(id, { ...held, properties: without(held.properties, ...personal) });
        break;
      case 'profileDeleted':
        this.#profiles.delete(id);
        break;
      default:
    }
  }

  state(id?: string): unknown {
    if (id === undefined) return { profiles: [...this.#profiles.values()] };
    return this.load(id) ?? { itemId: id, unknown: true };
  }
}

/** Properties that anonymising removes: those tagged as personal identifiers in a fresh installation. */
const personal = ['firstName', 'lastName', 'email', 'phoneNumber', 'address', 'city', 'zipCode'];

const without = <V>(map: Readonly<Record<string, V>>, ...names: readonly string[]): Record<string, V> =>
  Object.fromEntries(Object.entries(map).filter(([name]) => !names.includes(name)));
