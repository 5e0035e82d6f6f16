import { httpUrl, IsRsaPrivateKey } from '@entente/connector-runtime';
import { Equals, IsArray, IsIn, IsNotEmpty, IsOptional, IsString, IsUrl, Matches } from 'class-validator';
import { AreIdsPerPurpose } from '../../settings-checks.ts';

const accountTypes = [
  'GOOGLE_ADS',
  'DISPLAY_VIDEO_PARTNER',
  'DISPLAY_VIDEO_ADVERTISER',
  'DATA_PARTNER',
  'GOOGLE_ANALYTICS_PROPERTY',
] as const;
type AccountType = (typeof accountTypes)[number];

const digits = { message: '$property must be digits only, without dashes' };

/** User lists of one Google account, reached with a service account. */
export class GoogleDataManagerSettings {
  @IsUrl(httpUrl)
  baseUrl = 'https://datamanager.googleapis.com';

  /** Also the audience of the assertions signed for it. */
  @IsUrl(httpUrl)
  tokenUrl = 'https://oauth2.googleapis.com/token';

  /** `client_email` of the service account's JSON key. */
  @Matches(/^[^@\s]+@[^@\s]+$/, { message: '$property must be the client_email of the service account' })
  clientEmail!: string;

  /** `private_key` of the service account's JSON key. */
  @IsRsaPrivateKey({ message: '$property must be an RSA key in PEM: the private_key of the service account' })
  privateKey!: string;

  /** `private_key_id` of the service account's JSON key. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  privateKeyId?: string;

  /** The account that owns the user lists. */
  @Matches(/^\d+$/, digits)
  accountId!: string;

  @IsIn(accountTypes)
  accountType: AccountType = 'GOOGLE_ADS';

  /** The account the service account has access to, where it is another one (a manager account). */
  @IsOptional()
  @Matches(/^\d+$/, digits)
  loginAccountId?: string;

  @IsIn(accountTypes)
  loginAccountType: AccountType = 'GOOGLE_ADS';

  /** Purpose → user list id. */
  @AreIdsPerPurpose(/^\d+$/, { message: '$property must name a user list id (digits) for at least one purpose' })
  audiences!: Readonly<Record<string, string>>;

  /** Purposes whose notice does not cover ad personalisation: sent with `adPersonalization` denied. */
  @IsArray()
  @IsString({ each: true })
  withoutPersonalisation: readonly string[] = [];

  /** Google takes no members from an account that has not accepted them (partner-apis.md §3). */
  @Equals(true, { message: '$property must be true: the account must have accepted the Customer Match terms' })
  customerMatchTermsAccepted!: true;
}
