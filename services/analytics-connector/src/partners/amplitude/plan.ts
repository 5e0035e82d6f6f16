import type { Confirmation, ShareItem } from '@entente/connector-runtime';
import type { Identifiers, PurposeId } from '@entente/contracts';
import type { AmplitudeSettings } from './settings.ts';

type Mapping = Pick<AmplitudeSettings, 'consentProperties'>;
type Consent = Readonly<Record<string, 'granted' | 'denied'>>;

/** An event of the HTTP V2 API. */
export interface AmplitudeEvent {
  readonly user_id: string;
  readonly event_type: string;
  /** Amplitude ignores a second event with the same one within seven days. */
  readonly insert_id: string;
  readonly event_properties?: Readonly<Record<string, unknown>>;
  readonly user_properties: { readonly $set: Readonly<Record<string, unknown>> };
}

/** Each user id once. */
export const userIdsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap(({ 'subject-id': id }) => (id === undefined ? [] : [id]))),
];

const propertyOf = (purpose: string, { consentProperties }: Mapping): string | undefined =>
  Object.hasOwn(consentProperties, purpose) ? consentProperties[purpose] : undefined;

/** What nothing stands for could never be revoked, so it is not shared. */
export const isMapped = (purpose: PurposeId, mapping: Mapping): boolean => propertyOf(purpose, mapping) !== undefined;

/** The whole consent of this moment, stamped on every event: Amplitude keeps with an event the properties of its time. */
export const consentStamp = (allowed: readonly PurposeId[], { consentProperties }: Mapping): Consent =>
  Object.fromEntries(
    Object.entries(consentProperties).map(([purpose, name]) => [
      name,
      allowed.some((each) => each === purpose) ? 'granted' : 'denied',
    ]),
  );

/** A share with a field `event` is something the person did; one without is what is known of them. */
export function eventOf(item: ShareItem, stamp: Consent): AmplitudeEvent {
  const base = { user_id: item.identifiers['subject-id'] ?? '', insert_id: item.requestId };
  const { event, ...rest } = item.fields;
  // The stamp is laid over the fields: a share cannot say anything about consent.
  return typeof event === 'string' && event !== ''
    ? { ...base, event_type: event, event_properties: rest, user_properties: { $set: stamp } }
    : { ...base, event_type: '$identify', user_properties: { $set: { ...item.fields, ...stamp } } };
}

/** Tells a user's consent without anything having happened. */
export const identifyEvent = (userId: string, insertId: string, consent: Consent): AmplitudeEvent => ({
  user_id: userId,
  insert_id: insertId,
  event_type: '$identify',
  user_properties: { $set: consent },
});

/** What Amplitude must be told of a person so that only the allowed purposes remain. */
export interface RevocationPlan {
  /** Every property of the settings whose purpose may not stay, also of a purpose this recipient no longer has. */
  readonly denied: Consent;
  readonly deletes: boolean;
  /** Purposes no property stands for: a person must look. */
  readonly unmapped: readonly PurposeId[];
}

export function planRevocation(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  settings: Mapping & Pick<AmplitudeSettings, 'deleteWhenNothingStays'>,
): RevocationPlan {
  const stamp = consentStamp(allowed, settings);
  return {
    denied: Object.fromEntries(Object.entries(stamp).filter(([, consent]) => consent === 'denied')),
    deletes: settings.deleteWhenNothingStays && allowed.length === 0,
    unmapped: recipientPurposes.filter((purpose) => !allowed.includes(purpose) && !isMapped(purpose, settings)),
  };
}

/** A purpose counts as served until its property says no: what was shared before the property was there is still held. */
export const servedBy = (
  properties: Readonly<Record<string, unknown>>,
  purposes: readonly PurposeId[],
  mapping: Mapping,
): PurposeId[] => purposes.filter((purpose) => properties[propertyOf(purpose, mapping) ?? ''] !== 'denied');

/** A deletion job is known by the day it runs; `ids` are the person's users in it, where Amplitude named them. */
export interface Job {
  readonly day: string;
  readonly ids: readonly string[];
}

export const referenceOf = ({ day, ids }: Job): string => [day, ...ids].join('/');

/** Undefined where the reference is none of a deletion job. */
export function jobOf(reference: string | undefined): Job | undefined {
  const [day = '', ...ids] = (reference ?? '').split('/');
  return /^\d{4}-\d{2}-\d{2}$/.test(day) ? { day, ids } : undefined;
}

const dayMs = 86_400_000;
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Days in which the jobs of these revocations are found: from the first request on, and well past their own day. */
export function jobsWindow(batch: readonly Confirmation[]): { readonly start: string; readonly end: string } {
  const accepted = batch.map(({ acceptedAt }) => acceptedAt);
  const days = batch.flatMap(({ reference }) => jobOf(reference)?.day ?? []).sort();
  const latest = Math.max(...accepted, ...days.map((day) => Date.parse(day)));
  return { start: dayOf(Math.min(...accepted) - dayMs), end: dayOf(latest + dayMs) };
}
