import type { Identifiers, PurposeId } from '@entente/contracts';
import type { Revocation, ShareItem } from '@entente/connector-runtime';

export type CategoryPreferences = Readonly<Record<string, boolean>>;

/** What a revocation says is allowed: a yes to what was stopped before is only a share's or a resumption's to tell (DLV-5). */
export const statedBy = ({ allowed, stopped }: Pick<Revocation, 'allowed' | 'stopped'>): readonly PurposeId[] =>
  allowed.filter((purpose) => !stopped.includes(purpose));

/**
 * The consent stamp: each category is true when every purpose mapped to it is allowed. It names all categories of the
 * recipient, since Segment keeps what it is not told.
 */
export function categoryPreferences(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  categories: Readonly<Record<string, string>>,
): CategoryPreferences {
  const preferences: Record<string, boolean> = {};
  for (const purpose of recipientPurposes) {
    const category = Object.hasOwn(categories, purpose) ? categories[purpose] : undefined;
    if (category !== undefined) preferences[category] = (preferences[category] ?? true) && allowed.includes(purpose);
  }
  return preferences;
}

export interface SegmentEvent {
  readonly type: 'track' | 'identify';
  readonly userId: string;
  readonly messageId: string;
  readonly event?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly traits?: Readonly<Record<string, unknown>>;
  readonly context: { readonly consent: { readonly categoryPreferences: CategoryPreferences } };
}

const stamped = (preferences: CategoryPreferences): SegmentEvent['context'] => ({
  consent: { categoryPreferences: preferences },
});

/** A share with a field `event` is something the person did; one without is what is known of them. */
export function eventOf(item: ShareItem, preferences: CategoryPreferences): SegmentEvent {
  const userId = item.identifiers['subject-id'] ?? '';
  const base = { userId, messageId: item.requestId, context: stamped(preferences) };
  const { event, ...rest } = item.fields;
  return typeof event === 'string' && event !== ''
    ? { ...base, type: 'track', event, properties: rest }
    : { ...base, type: 'identify', traits: item.fields };
}

/** What a purpose withdrawal is accepted on (partner-apis.md §11). */
export const preferenceEvent = (userId: string, messageId: string, preferences: CategoryPreferences): SegmentEvent => ({
  type: 'track',
  event: 'Segment Consent Preference Updated',
  userId,
  messageId,
  properties: {},
  context: stamped(preferences),
});

/** Each user id once. */
export const userIdsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap((set) => (set['subject-id'] === undefined ? [] : [set['subject-id']]))),
];

/** Purposes no category stands for: a withdrawal of them could not be told, so a person must look. */
export const unmappedPurposes = (
  recipientPurposes: readonly PurposeId[],
  categories: Readonly<Record<string, string>>,
): PurposeId[] => recipientPurposes.filter((purpose) => !Object.hasOwn(categories, purpose));
