import { httpUrl } from '@entente/connector-runtime';
import { IsUrl, Matches, ValidateBy, type ValidationArguments } from 'class-validator';

const isPropertyMap = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names: unknown[] = Object.values(value);
  return names.every((name) => typeof name === 'string' && name !== '') && new Set(names).size === names.length;
};

/** A suppression ends all e-mail at once: of several e-mail purposes one alone can be revoked by its property only. */
const areEmailPurposes = (value: unknown, args?: ValidationArguments): boolean => {
  if (!Array.isArray(value) || !value.every((purpose) => typeof purpose === 'string' && purpose !== '')) return false;
  const { consentProperties } = (args?.object ?? {}) as Partial<KlaviyoSettings>;
  return value.length < 2 || value.every((purpose) => Object.hasOwn(consentProperties ?? {}, purpose as string));
};

/** One Klaviyo account. */
export class KlaviyoSettings {
  @IsUrl(httpUrl)
  baseUrl = 'https://a.klaviyo.com';

  /** Private key with the scopes `profiles:write` and `subscriptions:write`. */
  @Matches(/^pk_\w+$/, { message: 'apiKey must be a private key: pk_ and letters or digits' })
  apiKey!: string;

  /** Purpose → custom profile property that says `granted` or `denied`. */
  @ValidateBy({
    name: 'consentProperties',
    validator: {
      validate: isPropertyMap,
      defaultMessage: () => 'consentProperties must name for each purpose a profile property of its own',
    },
  })
  consentProperties!: Readonly<Record<string, string>>;

  /**
   * Purposes that stand for e-mail marketing: an address is suppressed while none of them is allowed. Empty: while nothing
   * at all is allowed.
   */
  @ValidateBy({
    name: 'emailPurposes',
    validator: {
      validate: areEmailPurposes,
      defaultMessage: () =>
        'emailPurposes must be a list of purposes; where it holds several, each needs its entry in consentProperties',
    },
  })
  emailPurposes: readonly string[] = [];

  /** The dated revision of the API; each is served for two years (partner-apis.md §10.4). */
  @Matches(/^20\d{2}-\d{2}-\d{2}$/, { message: 'revision must be a date, e.g. 2026-07-15' })
  revision = '2026-07-15';
}
