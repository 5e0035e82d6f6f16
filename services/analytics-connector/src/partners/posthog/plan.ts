import type { ShareItem } from '@entente/connector-runtime';
import { grantedBy, type ConsentProperties } from '../../consent-properties.ts';

type Properties = Readonly<Record<string, unknown>>;

/** An event as the capture service takes it. */
export interface CapturedEvent {
  readonly event: string;
  readonly distinct_id: string;
  /** PostHog drops an event whose id it has seen. */
  readonly uuid?: string;
  readonly properties: Properties;
}

/** PostHog cuts longer ids, and could not be asked about them afterwards (PostHog source, `rust/capture`). */
const idLength = 200;
const uuidForm = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
/** The address the event comes from is ours, not the person's. */
const fromServer = { $geoip_disable: true };

/** Why a share cannot be sent as it is; undefined when it can. PostHog would answer Ok all the same. */
export function shareFault(
  { purpose, identifiers, fields }: Pick<ShareItem, 'purpose' | 'identifiers' | 'fields'>,
  properties: ConsentProperties,
): string | undefined {
  if (grantedBy(purpose, properties) === undefined) return 'purpose-not-mapped';
  const { event } = fields;
  // `$identify`, `$create_alias` and their like merge persons.
  if (event !== undefined && (typeof event !== 'string' || event === '' || event.startsWith('$')))
    return 'invalid-event';
  return isDistinctId(identifiers['subject-id']) ? undefined : 'unusable-identifier';
}

export const isDistinctId = (id: string | undefined): boolean =>
  id !== undefined && id.trim() !== '' && id.length <= idLength;

/** A share with a field `event` is something the person did; one without is what is known of them. */
export function eventOf(item: ShareItem, properties: ConsentProperties): CapturedEvent {
  const granted = grantedBy(item.purpose, properties);
  const { event, ...rest } = item.fields;
  const base = {
    distinct_id: item.identifiers['subject-id'] ?? '',
    ...(uuidForm.test(item.requestId) ? { uuid: item.requestId } : {}),
  };
  return typeof event === 'string'
    ? { ...base, event, properties: { ...rest, $set: { ...granted }, ...fromServer } }
    : { ...base, event: '$set', properties: { $set: { ...item.fields, ...granted }, ...fromServer } };
}

/** Writes decisions on a person, with the mark by which reading them back recognises this write. */
export const decisionEvent = (distinctId: string, set: Readonly<Record<string, string>>): CapturedEvent => ({
  event: '$set',
  distinct_id: distinctId,
  properties: { $set: set, ...fromServer },
});

/** What an accepted request is called, so that `confirm` knows what to look for. */
export type Reference =
  { readonly kind: 'mark'; readonly mark: string } | { readonly kind: 'deletion'; readonly persons: readonly string[] };

export const referenceText = (reference: Reference): string =>
  reference.kind === 'mark' ? `mark:${reference.mark}` : `deletion:${reference.persons.join(',')}`;

export function referenceOf(text: string | undefined): Reference | undefined {
  const [kind, rest = ''] = text?.split(':', 2) ?? [];
  if (kind === 'mark' && rest !== '') return { kind, mark: rest };
  return kind === 'deletion' && rest !== '' ? { kind, persons: rest.split(',') } : undefined;
}

/** The mark of an erasure: all attempts at it write the same, so that a later one finds what an earlier one wrote. */
export const erasureMark = (version: number): string => `erasure-${version}`;
