import type { Identifiers, PurposeId } from '@entente/contracts';
import type { ShareItem } from '@entente/connector-runtime';
import type { HubspotSettings } from './settings.ts';

type Mapping = Pick<HubspotSettings, 'subscriptions' | 'consentProperties'>;

/** What HubSpot must be told about one address so that only the allowed purposes remain. */
export interface RevocationPlan {
  /** No purpose is left: out of everything, whatever subscription types the account gets later. */
  readonly fromEverything: boolean;
  /** Subscription types to unsubscribe from, one call each. */
  readonly subscriptions: readonly number[];
  /** Contact properties to write; empty when none stands for a purpose that fell away. */
  readonly properties: Readonly<Record<string, 'denied'>>;
  /** Purposes nothing in the settings stands for: they cannot be revoked, so a person must look. */
  readonly unmapped: readonly PurposeId[];
}

export function planRevocation(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  { subscriptions, consentProperties }: Mapping,
): RevocationPlan {
  const denied = recipientPurposes.filter((purpose) => !allowed.includes(purpose));
  const fromEverything = allowed.length === 0;
  const subscriptionOf = (purpose: PurposeId): number[] => mapped(subscriptions, purpose);
  const propertyOf = (purpose: PurposeId): string[] => mapped(consentProperties, purpose);
  return {
    fromEverything,
    subscriptions: fromEverything ? [] : denied.flatMap(subscriptionOf),
    properties: Object.fromEntries(denied.flatMap(propertyOf).map((name) => [name, 'denied'] as const)),
    unmapped: fromEverything
      ? []
      : denied.filter((purpose) => subscriptionOf(purpose).length + propertyOf(purpose).length === 0),
  };
}

/**
 * Purposes an address is served for, as HubSpot shows it: its property says granted, or it is subscribed; where only the
 * subscription type stands for a purpose, whoever has not unsubscribed from it counts as served.
 */
export function servedPurposes(
  purposes: readonly PurposeId[],
  statuses: ReadonlyMap<unknown, unknown>,
  propertyOf: (name: string) => unknown,
  { subscriptions, consentProperties }: Mapping,
): PurposeId[] {
  return purposes.filter((purpose) => {
    const properties = mapped(consentProperties, purpose);
    if (properties.some((name) => propertyOf(name) === 'granted')) return true;
    return mapped(subscriptions, purpose).some((subscription) => {
      const status = statuses.get(subscription);
      return status === 'SUBSCRIBED' || (properties.length === 0 && status !== 'UNSUBSCRIBED');
    });
  });
}

const mapped = <V>(map: Readonly<Record<string, V>>, purpose: PurposeId): V[] => {
  const value = Object.hasOwn(map, purpose) ? map[purpose] : undefined;
  return value === undefined ? [] : [value];
};

/** Each address once. */
export const emailsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap(({ email }) => (email === undefined ? [] : [email]))),
];

export interface ContactInput {
  readonly id: string;
  readonly idProperty: 'email';
  readonly properties: Readonly<Record<string, unknown>>;
}

/**
 * Contacts to write for a batch of shares: one input per address (the API refuses an address twice in one batch), with
 * the consent properties of what is allowed in this very moment.
 */
export function contactInputs(
  items: readonly ShareItem[],
  allowed: (item: ShareItem) => readonly PurposeId[],
  { consentProperties }: Mapping,
): ContactInput[] {
  const inputs = new Map<string, Record<string, unknown>>();
  for (const item of items) {
    const { email } = item.identifiers;
    if (email === undefined) continue;
    const granted = allowed(item).flatMap((purpose) => mapped(consentProperties, purpose));
    const consent = Object.fromEntries(granted.map((name) => [name, 'granted'] as const));
    inputs.set(email, { ...inputs.get(email), ...item.fields, ...consent });
  }
  return [...inputs].map(([id, properties]) => ({ id, idProperty: 'email', properties }));
}

/** The subscription type to bring back before the first share after a new grant; null when none stands for it. */
export const resubscription = (purpose: PurposeId, { subscriptions }: Mapping): number | null =>
  mapped(subscriptions, purpose)[0] ?? null;
