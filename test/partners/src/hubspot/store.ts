import { record } from '../narrow.ts';
import type { Deed } from '../partner.ts';

export type SubscriptionStatus = 'SUBSCRIBED' | 'UNSUBSCRIBED' | 'NOT_SPECIFIED';

export interface Contact {
  readonly id: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly updatedMs: number;
}

interface Preferences {
  readonly statuses: Map<number, { readonly status: SubscriptionStatus; readonly ms: number }>;
  optedOutOfAllMs: number | undefined;
}

/** E-mail addresses are compared without case, as HubSpot does. */
const keyOf = (email: string): string => email.trim().toLowerCase();

/** Contacts, subscriptions and the blocklist: a fold over effects. */
export class HubspotStore {
  readonly #contacts = new Map<string, Contact>();
  readonly #preferences = new Map<string, Preferences>();
  readonly #blocked = new Set<string>();
  #lastId = 0;

  constructor(readonly subscriptionIds: readonly number[]) {}

  get lastId(): number {
    return this.#lastId;
  }

  contact(email: string): Contact | undefined {
    return this.#contacts.get(keyOf(email));
  }

  blocked(email: string): boolean {
    return this.#blocked.has(keyOf(email));
  }

  status(
    email: string,
    subscriptionId: number,
  ): { readonly status: SubscriptionStatus; readonly ms: number | undefined } {
    const held = this.#preferences.get(keyOf(email))?.statuses.get(subscriptionId);
    return held ?? { status: 'NOT_SPECIFIED', ms: undefined };
  }

  optedOutOfAllMs(email: string): number | undefined {
    return this.#preferences.get(keyOf(email))?.optedOutOfAllMs;
  }

  apply(effect: Deed, ms: number): void {
    const email = keyOf(effect.identifiers[0] ?? '');
    switch (effect.what) {
      case 'contactCreated':
      case 'contactUpdated':
        this.#writeContact(email, effect, ms);
        break;
      case 'unsubscribedAll':
        this.#unsubscribeAll(email, ms);
        break;
      case 'subscribed':
      case 'unsubscribed':
      case 'unspecified':
        this.#setStatus(email, Number(effect.scope.split('/')[1]), statusOf[effect.what], ms);
        break;
      case 'archived':
        this.#contacts.delete(email);
        break;
      case 'erased':
        this.#contacts.delete(email);
        this.#preferences.delete(email);
        this.#blocked.add(email);
        break;
      default:
    }
  }

  state(id?: string): unknown {
    const emails =
      id === undefined
        ? new Set([...this.#contacts.keys(), ...this.#preferences.keys(), ...this.#blocked])
        : [keyOf(id)];
    const people = [...emails].map((email) => this.#person(email));
    return id === undefined ? { people } : people[0];
  }

  #person(email: string): object {
    const statuses = this.#preferences.get(email)?.statuses ?? new Map<number, { status: SubscriptionStatus }>();
    return {
      email,
      contact: this.#contacts.get(email) ?? null,
      subscriptions: Object.fromEntries([...statuses].map(([subscription, { status }]) => [subscription, status])),
      optedOutOfAll: this.optedOutOfAllMs(email) !== undefined,
      blocked: this.#blocked.has(email),
    };
  }

  #writeContact(email: string, effect: Deed, ms: number): void {
    const before = this.#contacts.get(email);
    const id = String(effect.detail?.['id'] ?? before?.id ?? '');
    const given = Object.entries(record(effect.detail?.['properties'])).map(
      ([name, value]) => [name, String(value)] as const,
    );
    const properties = { ...before?.properties, ...Object.fromEntries(given) };
    this.#contacts.set(email, { id, properties, createdMs: before?.createdMs ?? ms, updatedMs: ms });
    this.#lastId = Math.max(this.#lastId, Number(id));
  }

  #unsubscribeAll(email: string, ms: number): void {
    const preferences = this.#preferencesOf(email);
    for (const subscription of this.subscriptionIds)
      preferences.statuses.set(subscription, { status: 'UNSUBSCRIBED', ms });
    preferences.optedOutOfAllMs = ms;
  }

  #setStatus(email: string, subscription: number, status: SubscriptionStatus, ms: number): void {
    const preferences = this.#preferencesOf(email);
    preferences.statuses.set(subscription, { status, ms });
    if (status === 'SUBSCRIBED') preferences.optedOutOfAllMs = undefined;
  }

  #preferencesOf(email: string): Preferences {
    const held = this.#preferences.get(email) ?? { statuses: new Map(), optedOutOfAllMs: undefined };
    this.#preferences.set(email, held);
    return held;
  }
}

const statusOf = { subscribed: 'SUBSCRIBED', unsubscribed: 'UNSUBSCRIBED', unspecified: 'NOT_SPECIFIED' } as const;
