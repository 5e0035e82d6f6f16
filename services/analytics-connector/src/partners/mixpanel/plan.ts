import type { ShareItem } from '@entente/connector-runtime';
import { grantedBy, type ConsentProperties } from '../../consent-properties.ts';

/** One update of `/engage`. */
export interface ProfileUpdate {
  readonly $token: string;
  readonly $distinct_id: string;
  readonly $set?: Readonly<Record<string, unknown>>;
  readonly $delete?: string;
  /** An id is meant as it stands, not the profile it may be an alias of. */
  readonly $ignore_alias?: boolean;
}

/** One event of `/import`. */
export interface ImportedEvent {
  readonly event: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Values that Mixpanel refuses as a distinct id, as they usually are a mistake (reference, "Import events"). */
const placeholders = new Set(['anon', 'anonymous', 'nil', 'none', 'null', 'n/a', 'undefined', '0', '-1']);

export const isDistinctId = (id: string | undefined): boolean =>
  id !== undefined && id.trim() !== '' && id.length <= 255 && !placeholders.has(id.toLowerCase());

/** Why a share cannot be sent as it is; undefined when it can. */
export function shareFault(
  { purpose, identifiers, fields }: Pick<ShareItem, 'purpose' | 'identifiers' | 'fields'>,
  properties: ConsentProperties,
): string | undefined {
  if (grantedBy(purpose, properties) === undefined) return 'purpose-not-mapped';
  const { event } = fields;
  // `$identify`, `$create_alias` and `$merge` join persons.
  if (event !== undefined && (typeof event !== 'string' || event === '' || event.startsWith('$')))
    return 'invalid-event';
  return isDistinctId(identifiers['subject-id']) ? undefined : 'unusable-identifier';
}

/** A share without an event is what is known of a person; with one, the profile says only that the purpose is granted. */
export function profileOf(
  { identifiers, fields, purpose }: ShareItem,
  token: string,
  properties: ConsentProperties,
): ProfileUpdate {
  const known = isEvent(fields) ? {} : fields;
  const granted = grantedBy(purpose, properties);
  return { $token: token, $distinct_id: identifiers['subject-id'] ?? '', $set: { ...known, ...granted } };
}

export const isEvent = (fields: ShareItem['fields']): boolean => typeof fields['event'] === 'string';

/**
 * Mixpanel knows a repeated event by name, time, distinct id and `$insert_id` together: a field `time` (epoch, seconds or
 * milliseconds) makes a repeated share the same event, `now` only says when it was sent.
 */
export function importedEvent({ identifiers, fields, requestId }: ShareItem, now: number): ImportedEvent {
  const { event, time, ...rest } = fields;
  return {
    event: String(event),
    properties: {
      ...rest,
      time: typeof time === 'number' ? time : now,
      distinct_id: identifiers['subject-id'] ?? '',
      $insert_id: requestId.slice(0, 36),
    },
  };
}

export const decisionUpdate = (
  token: string,
  distinctId: string,
  set: Readonly<Record<string, string>>,
): ProfileUpdate => ({ $token: token, $distinct_id: distinctId, $set: set });

export const profileDeletion = (token: string, distinctId: string): ProfileUpdate => ({
  $token: token,
  $distinct_id: distinctId,
  $delete: 'null',
  $ignore_alias: true,
});
