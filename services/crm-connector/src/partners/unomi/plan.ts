import type { Identifiers, PurposeId } from '@entente/contracts';
import type { UnomiSettings } from './settings.ts';

type Mapping = Pick<UnomiSettings, 'consents'>;

/** What Unomi must be told about one profile so that only the allowed purposes remain. */
export interface RevocationPlan {
  /** Consent types to deny. */
  readonly denied: readonly string[];
  /** Purposes nothing in the settings stands for: they cannot be revoked, so a person must look. */
  readonly unmapped: readonly PurposeId[];
}

/**
 * Every consent the settings know and that may not stay is denied, whether or not the catalogue still gives its purpose to
 * this recipient: a purpose that was taken away from it must stop there as well.
 */
export function planRevocation(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  { consents }: Mapping,
): RevocationPlan {
  const stays = new Set<string>(allowed);
  return {
    denied: Object.entries(consents).flatMap(([purpose, type]) => (stays.has(purpose) ? [] : [type])),
    unmapped: recipientPurposes.filter(
      (purpose) => !stays.has(purpose) && consentTypeOf(purpose, { consents }) === undefined,
    ),
  };
}

export const consentTypeOf = (purpose: PurposeId, { consents }: Mapping): string | undefined =>
  Object.hasOwn(consents, purpose) ? consents[purpose] : undefined;

/** The profiles of a person: their id in Unomi is the controller's own. Each once. */
export const profilesOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap(({ 'subject-id': id }) => (id === undefined ? [] : [id]))),
];
