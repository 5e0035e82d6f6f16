import { httpUrl } from '@entente/connector-runtime';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsUrl,
  Matches,
  Max,
  Min,
  ValidateBy,
  type ValidationOptions,
} from 'class-validator';
import { IsPropertyPerPurpose } from '../../settings-checks.ts';

const complianceTypes = ['GDPR', 'CCPA'] as const;

/** Reads profiles; events and profiles are written with the project token alone. */
interface ServiceAccount {
  readonly username: string;
  readonly secret: string;
  readonly projectId: string;
}

const isServiceAccount = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const { username, secret, projectId, ...more } = value as Partial<Record<string, unknown>>;
  const filled = [username, secret].every((text) => typeof text === 'string' && /^[^\s:]+$/.test(text));
  return filled && typeof projectId === 'string' && /^\d+$/.test(projectId) && Object.keys(more).length === 0;
};

const IsServiceAccount = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'isServiceAccount', validator: { validate: isServiceAccount } }, options);

/** One Mixpanel project. */
export class MixpanelSettings {
  /** Ingestion; `https://api-eu.mixpanel.com` or `https://api-in.mixpanel.com` with data residency there. */
  @IsUrl(httpUrl)
  ingestionUrl = 'https://api.mixpanel.com';

  /** The application: GDPR API and queries; `https://eu.mixpanel.com` or `https://in.mixpanel.com` likewise. */
  @IsUrl(httpUrl)
  appUrl = 'https://mixpanel.com';

  @Matches(/^[0-9a-f]{32}$/, { message: '$property must be the token of the project: 32 lower-case hex digits' })
  projectToken!: string;

  /** OAuth token of the GDPR API, from the personal data rights page of the account; valid for a year. */
  @Matches(/^\S{8,}$/, { message: '$property must be the OAuth token of the GDPR API' })
  gdprToken!: string;

  /** Needed to read profiles back. */
  @IsOptional()
  @IsServiceAccount({ message: '$property must be {username, secret, projectId}, with the number of the project' })
  serviceAccount?: ServiceAccount;

  /** Purpose → profile property that says `granted` or `denied`. */
  @IsPropertyPerPurpose({ message: '$property must name for at least one purpose a profile property of its own' })
  consentProperties!: Readonly<Record<string, string>>;

  /** Whether a person for whom nothing may stay is deleted with all events, as after an erasure. */
  @IsBoolean({ message: '$property must be true or false' })
  deleteWhenNothingAllowed = false;

  @IsIn(complianceTypes, { message: `$property must be one of ${complianceTypes.join(', ')}` })
  complianceType: (typeof complianceTypes)[number] = 'GDPR';

  /** After so long an accepted update shows on the profile or never will; Mixpanel documents no time. */
  @IsInt()
  @Min(1_000)
  @Max(86_400_000)
  shownWithinMs = 600_000;
}
