import { filled, isRecord, record, text, type Json } from '../narrow.ts';
import type { Deed } from '../partner.ts';
import { newProfile, type Consent, type Profile } from './store.ts';

/** Bits of `updated` (EventService): what an event changed. */
export const changed = { session: 2, profile: 4 } as const;

/** The pattern of ids, scopes and event types in Unomi's JSON schemas. */
const idPattern = /^[\w@.-]{0,60}$/;
const statuses = new Set(['GRANTED', 'DENIED', 'REVOKED']);
const consentFields = new Set(['scope', 'typeIdentifier', 'status', 'statusDate', 'revokeDate']);
/** Most properties of one updateProperties event (its schema). */
const mostProperties = 50;

export const isId = (value: unknown): boolean => typeof value === 'string' && idPattern.test(value);

export interface Rules {
  /** Scopes that were declared to the server: an event of any other is dropped. */
  readonly scopes: ReadonlySet<string>;
  /** The caller holds the third-party key that protected events need (`X-Unomi-Peer`). */
  readonly trusted: boolean;
}

/** What a list of events did to one profile, and what each of them asked for. */
export interface Processed {
  readonly profile: Profile;
  readonly effects: readonly Deed[];
  readonly changes: number;
  /** Events that were not dropped: a dropped one is answered with 200 like any other. */
  readonly count: number;
}

/** What one event is about, whether or not the server would take it. */
export function asked(profileId: string, event: unknown): readonly Deed[] {
  const type = text(record(event)['eventType']);
  const properties = record(record(event)['properties']);
  if (type === 'modifyConsent') {
    const { scope, typeIdentifier, status } = record(properties['consent']);
    const key = scope === undefined ? String(typeIdentifier) : `${String(scope)}/${String(typeIdentifier)}`;
    return [
      {
        what: 'modifyConsent',
        identifiers: [profileId],
        scope: `consent/${key}`,
        detail: { status: String(status) },
      },
    ];
  }
  if (type === 'updateProperties')
    return [{ what: 'updateProperties', identifiers: [profileId], scope: 'profile', detail: written(properties) }];
  return [];
}

/** `update` and `add` name a path below the profile: `properties.plan`. */
function written(properties: Json): Json {
  const entries = [...Object.entries(record(properties['add'])), ...Object.entries(record(properties['update']))];
  return Object.fromEntries(
    entries.flatMap(([path, value]) =>
      path.startsWith('properties.') ? [[path.slice('properties.'.length), value]] : [],
    ),
  );
}

/** Runs events in order, as the profile stands after the one before; a dropped event changes nothing. */
export function process(
  profileId: string,
  held: Profile | undefined,
  events: readonly unknown[],
  rules: Rules,
): Processed {
  const created: Deed[] =
    held === undefined ? [{ what: 'profileCreated', identifiers: [profileId], scope: 'profile' }] : [];
  let result: Processed = {
    profile: held ?? newProfile(profileId),
    effects: created,
    // A profile that had to be created counts as updated, whatever the events did.
    changes: held === undefined ? changed.profile : 0,
    count: 0,
  };
  for (const event of events) result = taken(result, profileId, event, rules);
  return result;
}

function taken(before: Processed, profileId: string, event: unknown, rules: Rules): Processed {
  if (!isRecord(event) || !allowed(event, rules)) return before;
  const counted = { ...before, count: before.count + 1 };
  const properties = record(event['properties']);
  if (text(event['eventType']) === 'modifyConsent') return consented(counted, profileId, properties['consent']);
  const update = written(properties);
  if (Object.keys(update).length === 0) return counted;
  return {
    ...counted,
    profile: { ...counted.profile, properties: { ...counted.profile.properties, ...update } },
    effects: [
      ...counted.effects,
      { what: 'propertiesUpdated', identifiers: [profileId], scope: 'profile', detail: { properties: update } },
    ],
    changes: counted.changes | changed.profile,
  };
}

/** Silently dropped: an event whose shape, scope or sender the server does not accept. */
function allowed(event: Json, { scopes, trusted }: Rules): boolean {
  const type = text(event['eventType']);
  if (type === undefined || !idPattern.test(type)) return false;
  const scope = text(event['scope']);
  const source = record(event['source'])['scope'];
  if (scope !== undefined && !scopes.has(scope)) return false;
  if (source !== undefined && !scopes.has(String(source))) return false;
  const properties = event['properties'];
  if (!isRecord(properties)) return false;
  if (type === 'updateProperties') return trusted && Object.keys(properties).length <= mostProperties;
  if (type !== 'modifyConsent') return false;
  return wellFormed(properties['consent'], scopes);
}

/** The schema of a consent: the fields it may have, its statuses, and dates that are dates. */
function wellFormed(consent: unknown, scopes: ReadonlySet<string>): boolean {
  if (!isRecord(consent)) return false;
  if (!Object.keys(consent).every((field) => consentFields.has(field))) return false;
  const { scope, status } = consent;
  if (scope !== undefined && !scopes.has(String(scope))) return false;
  if (status !== undefined && !statuses.has(String(status))) return false;
  return [consent['statusDate'], consent['revokeDate']].every(
    (date) => date === undefined || (typeof date === 'string' && !Number.isNaN(Date.parse(date))),
  );
}

/** ModifyConsentAction: without a type or a status the event is ignored and nothing is updated. */
function consented(before: Processed, profileId: string, given: unknown): Processed {
  const consent = record(given);
  const typeIdentifier = filled(consent['typeIdentifier']);
  const status = filled(consent['status']);
  if (typeIdentifier === undefined || status === undefined) return before;
  const scope = filled(consent['scope']);
  const { profile } = before;
  // Profile.setConsent looks for a revoked consent by its type alone, without the scope its key has.
  if (status === 'REVOKED') {
    if (profile.consents[typeIdentifier] === undefined) return before;
    const consents = Object.fromEntries(Object.entries(profile.consents).filter(([key]) => key !== typeIdentifier));
    return {
      ...before,
      profile: { ...profile, consents },
      effects: [
        ...before.effects,
        { what: 'consentRemoved', identifiers: [profileId], scope: `consent/${typeIdentifier}` },
      ],
      changes: before.changes | changed.profile,
    };
  }
  const key = scope === undefined ? typeIdentifier : `${scope}/${typeIdentifier}`;
  const kept: Consent = {
    ...(scope === undefined ? {} : { scope }),
    typeIdentifier,
    status,
    ...dated(consent, 'statusDate'),
    ...dated(consent, 'revokeDate'),
  };
  return {
    ...before,
    profile: { ...profile, consents: { ...profile.consents, [key]: kept } },
    effects: [
      ...before.effects,
      {
        what: 'consentSet',
        identifiers: [profileId],
        scope: `consent/${key}`,
        detail: { consent: { ...kept } },
      },
    ],
    changes: before.changes | changed.profile,
  };
}

const dated = (consent: Json, name: 'statusDate' | 'revokeDate'): Json => {
  const value = filled(consent[name]);
  return value === undefined ? {} : { [name]: new Date(value).toISOString() };
};
