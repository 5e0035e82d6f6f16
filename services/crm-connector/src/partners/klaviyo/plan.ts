import type { Identifiers, PurposeId } from '@entente/contracts';
import type { KlaviyoSettings } from './settings.ts';

type Mapping = Pick<KlaviyoSettings, 'consentProperties' | 'emailPurposes'>;

/** What Klaviyo must be told about one address so that only the allowed purposes remain. */
export interface RevocationPlan {
  /** No e-mail marketing at all, whatever lists and consents the account has or gets later. */
  readonly suppress: boolean;
  /** Properties to write; empty when none stands for a purpose that may not stay. */
  readonly properties: Readonly<Record<string, 'denied'>>;
  /** Purposes that neither a property nor the suppression stands for: a person must look. */
  readonly unmapped: readonly PurposeId[];
}

/** Every property the settings know and that may not stay is denied, also of a purpose this recipient no longer has. */
export function planRevocation(
  allowed: readonly PurposeId[],
  recipientPurposes: readonly PurposeId[],
  mapping: Mapping,
): RevocationPlan {
  const stays = new Set<string>(allowed);
  const { consentProperties, emailPurposes } = mapping;
  const suppress = emailPurposes.length === 0 ? stays.size === 0 : !emailPurposes.some((purpose) => stays.has(purpose));
  const covered = (purpose: PurposeId): boolean =>
    propertyOf(purpose, mapping) !== undefined || (suppress && emailPurposes.includes(purpose));
  return {
    suppress,
    properties: Object.fromEntries(
      Object.entries(consentProperties).flatMap(([purpose, name]) =>
        stays.has(purpose) ? [] : [[name, 'denied'] as const],
      ),
    ),
    unmapped: recipientPurposes.filter((purpose) => !stays.has(purpose) && !covered(purpose)),
  };
}

/** Purposes a profile is served for: its property says granted, or e-mail alone stands for it and nothing stops e-mail. */
export function servedPurposes(
  purposes: readonly PurposeId[],
  { properties, suppressed }: { readonly properties: (name: string) => unknown; readonly suppressed: boolean },
  mapping: Mapping,
): PurposeId[] {
  return purposes.filter((purpose) => {
    const name = propertyOf(purpose, mapping);
    if (name !== undefined) return properties(name) === 'granted';
    return mapping.emailPurposes.includes(purpose) && !suppressed;
  });
}

const propertyOf = (purpose: PurposeId, { consentProperties }: Mapping): string | undefined =>
  Object.hasOwn(consentProperties, purpose) ? consentProperties[purpose] : undefined;

/** What nothing stands for could never be revoked, so it is not shared. */
export const isMapped = (purpose: PurposeId, mapping: Mapping): boolean =>
  propertyOf(purpose, mapping) !== undefined || mapping.emailPurposes.includes(purpose);

/** Whether a new grant of this purpose ends the suppression; `wholly` = nothing at all was allowed before. */
export const endsSuppression = (purpose: PurposeId, wholly: boolean, { emailPurposes }: Mapping): boolean =>
  emailPurposes.length === 0 ? wholly : emailPurposes.includes(purpose);

/** Each address once. */
export const emailsOf = (identifiers: readonly Identifiers[]): string[] => [
  ...new Set(identifiers.flatMap(({ email }) => (email === undefined ? [] : [email]))),
];

/** Attributes Klaviyo keeps of its own; every other field is a custom property. */
const ownAttributes: ReadonlySet<string> = new Set([
  'first_name',
  'last_name',
  'organization',
  'title',
  'locale',
  'image',
  'location',
  'phone_number',
]);

export interface ProfileWrite {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The fields of a share as Klaviyo keeps them, with the grant of their purpose. */
export function profileWrite(
  purpose: PurposeId,
  fields: Readonly<Record<string, unknown>>,
  mapping: Mapping,
): ProfileWrite {
  const property = propertyOf(purpose, mapping);
  const entries = Object.entries(fields);
  return {
    attributes: Object.fromEntries(entries.filter(([name]) => ownAttributes.has(name))),
    properties: {
      ...Object.fromEntries(entries.filter(([name]) => !ownAttributes.has(name))),
      ...(property === undefined ? {} : { [property]: 'granted' }),
    },
  };
}
