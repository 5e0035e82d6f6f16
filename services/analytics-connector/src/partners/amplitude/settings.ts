import { httpUrl } from '@entente/connector-runtime';
import {
  IsBoolean,
  IsEmail,
  IsInt,
  IsNotEmpty,
  IsString,
  IsUrl,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
} from 'class-validator';

const isPropertyMap = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names: unknown[] = Object.values(value);
  return (
    names.length > 0 &&
    names.every((name) => typeof name === 'string' && name !== '' && !name.startsWith('$')) &&
    new Set(names).size === names.length
  );
};

/** One Amplitude project. */
export class AmplitudeSettings {
  /** HTTP V2 API; `https://api.eu.amplitude.com` for projects in the EU. */
  @IsUrl(httpUrl)
  eventsUrl = 'https://api2.amplitude.com';

  /** User Privacy API; `https://analytics.eu.amplitude.com` for projects in the EU. */
  @IsUrl(httpUrl)
  privacyUrl = 'https://amplitude.com';

  /** User Profile API, e.g. `https://profile-api.amplitude.com`; absent = the project is not read back. */
  @ValidateIf((_, value) => value !== undefined)
  @IsUrl(httpUrl)
  profileUrl?: string;

  @IsString()
  @IsNotEmpty()
  apiKey!: string;

  @IsString()
  @IsNotEmpty()
  secretKey!: string;

  /** Purpose → user property that says `granted` or `denied`. */
  @ValidateBy({
    name: 'consentProperties',
    validator: {
      validate: isPropertyMap,
      defaultMessage: () =>
        'consentProperties must name for at least one purpose a user property of its own, without $',
    },
  })
  consentProperties!: Readonly<Record<string, string>>;

  /** Named in the project's deletion jobs and told to its administrators (partner-apis.md §13). */
  @IsEmail({}, { message: 'requester must be the e-mail address that deletions are requested by' })
  requester!: string;

  /** Deletes from every project of the organisation, not from this one alone. */
  @IsBoolean()
  deleteFromOrganisation = false;

  /** A person with no purpose left is deleted as well, which takes effect weeks later and cannot be taken back. */
  @IsBoolean()
  deleteWhenNothingStays = false;

  /** Amplitude takes shorter user ids off the event; its own default is 5. */
  @IsInt()
  @Min(1)
  @Max(64)
  minIdLength = 1;
}
