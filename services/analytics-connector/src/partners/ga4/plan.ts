import type { ShareItem } from '@entente/connector-runtime';
import type { Identifiers, PurposeId } from '@entente/contracts';
import type { IdType, PropertyOfPurpose } from './settings.ts';

type Properties = Readonly<Record<string, PropertyOfPurpose>>;
type Signal = 'GRANTED' | 'DENIED';

/** Body of the Measurement Protocol. */
export interface Payload {
  readonly client_id: string;
  readonly user_id: string;
  readonly consent: { readonly ad_user_data: Signal; readonly ad_personalization: Signal };
  readonly user_properties?: Readonly<Record<string, { readonly value: unknown }>>;
  readonly events: readonly [{ readonly name: string; readonly params: Readonly<Record<string, unknown>> }];
}

export const propertyOf = (purpose: PurposeId, properties: Properties): PropertyOfPurpose | undefined =>
  Object.hasOwn(properties, purpose) ? properties[purpose] : undefined;

const signal = (granted: boolean | undefined): Signal => (granted === true ? 'GRANTED' : 'DENIED');

const consentOf = ({ adUserData, adPersonalization }: PropertyOfPurpose): Payload['consent'] => ({
  ad_user_data: signal(adUserData),
  ad_personalization: signal(adPersonalization),
});

/** Whether Google was ever told that it may use the data for advertising. */
const isForAds = ({ adUserData, adPersonalization }: PropertyOfPurpose): boolean =>
  adUserData === true || adPersonalization === true;

/** A share with a field `event` is something the person did; one without is what is known of them. */
export function payloadOf({ identifiers, fields }: ShareItem, property: PropertyOfPurpose): Payload {
  const id = identifiers['subject-id'] ?? '';
  const base = { client_id: id, user_id: id, consent: consentOf(property) };
  const { event, ...rest } = fields;
  if (event !== undefined) return { ...base, events: [{ name: typeof event === 'string' ? event : '', params: rest }] };
  const known = Object.entries(fields).map(([name, value]) => [name, { value }] as const);
  return { ...base, user_properties: Object.fromEntries(known), events: [{ name: 'profile_update', params: {} }] };
}

/** Ends the use for advertising from now on; what was collected before is for the deletion to take away. */
export const denialPayload = (id: string): Payload => ({
  client_id: id,
  user_id: id,
  consent: { ad_user_data: 'DENIED', ad_personalization: 'DENIED' },
  events: [{ name: 'consent_update', params: {} }],
});

const eventName = /^[A-Za-z]\w{0,39}$/;
const userPropertyName = /^[A-Za-z]\w{0,23}$/;
const reservedPrefix = /^(firebase_|ga_|google_|gtag)/;
/** Names that Analytics keeps for itself (Measurement Protocol reference, "Reserved names"). */
const reservedEvents = new Set([
  ...['ad_activeview', 'ad_click', 'ad_exposure', 'ad_query', 'ad_reward', 'adunit_exposure', 'app_clear_data'],
  ...[
    'app_exception',
    'app_install',
    'app_remove',
    'app_store_refund',
    'app_update',
    'app_upgrade',
    'dynamic_link_open',
  ],
  ...['error', 'first_open', 'first_visit', 'in_app_purchase', 'notification_dismiss', 'notification_receive'],
  ...['os_update', 'session_start', 'session_start_with_rollout', 'user_engagement'],
]);
/** Entries and characters the Measurement Protocol takes (its reference, "Limitations"). */
const limits = { entries: 25, paramText: 100, userPropertyText: 36 };

/** Why Google would drop a payload behind a 204; undefined when it has no reason to. */
export function payloadFault({
  user_id: id,
  events: [event],
  user_properties: known = {},
}: Payload): string | undefined {
  if (id === '') return 'missing-identifier';
  if (!eventName.test(event.name) || reservedPrefix.test(event.name) || reservedEvents.has(event.name))
    return 'invalid-event';
  const params = Object.entries(event.params);
  const userProperties = Object.entries(known).map(([name, { value }]) => [name, value] as const);
  const fits = (entries: readonly (readonly [string, unknown])[], form: RegExp, text: number): boolean =>
    entries.length <= limits.entries &&
    entries.every(([name, value]) => form.test(name) && !reservedPrefix.test(name) && isValue(value, text));
  return fits(params, eventName, limits.paramText) && fits(userProperties, userPropertyName, limits.userPropertyText)
    ? undefined
    : 'invalid-fields';
}

const isValue = (value: unknown, longest: number): boolean =>
  typeof value === 'string' ? value.length <= longest : typeof value === 'number' || typeof value === 'boolean';

/** One identifier of a person in one property. */
export interface Deletion {
  readonly propertyId: string;
  readonly type: IdType;
  readonly id: string;
}

export interface DeletionPlan {
  readonly deletions: readonly Deletion[];
  /** Properties in which Google must first hear that the data is no longer for advertising, with the identifiers. */
  readonly denials: readonly { readonly property: PropertyOfPurpose; readonly id: string }[];
  /** Purposes that no property stands for: a person must see to them. */
  readonly unmapped: readonly PurposeId[];
  /** There is something to delete, and no id to delete it by. */
  readonly lacksId: boolean;
}

/**
 * A property loses a person when its purpose may not stay (that of a purpose the recipient no longer has included), under
 * exactly the ids they were shared by.
 */
export function planDeletions(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  identifiers: readonly Identifiers[],
  properties: Properties,
  deletedBy: readonly IdType[],
): DeletionPlan {
  const stays: ReadonlySet<string> = new Set(allowed);
  const ids = [...new Set(identifiers.flatMap((set) => set['subject-id'] ?? []))];
  const leaving = Object.entries(properties).flatMap(([purpose, property]) => (stays.has(purpose) ? [] : [property]));
  return {
    deletions: leaving.flatMap(({ propertyId }) =>
      ids.flatMap((id) => deletedBy.map((type) => ({ propertyId, type, id }))),
    ),
    denials: leaving.filter(isForAds).flatMap((property) => ids.map((id) => ({ property, id }))),
    unmapped: recipientPurposes.filter(
      (purpose) => !stays.has(purpose) && propertyOf(purpose, properties) === undefined,
    ),
    lacksId: leaving.length > 0 && ids.length === 0,
  };
}
