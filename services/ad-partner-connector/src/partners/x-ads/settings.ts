import { IsNotEmpty, IsString, IsUrl, Matches, ValidateBy, type ValidationOptions } from 'class-validator';

const idPattern = /^[0-9a-z]+$/;
const id = { message: '$property must be lower-case letters and digits, as in the addresses of the Ads API' };

const isIdPerPurpose = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).length > 0 &&
  Object.values(value).every((each) => typeof each === 'string' && idPattern.test(each));

const AreIdsPerPurpose = (options: ValidationOptions): PropertyDecorator =>
  ValidateBy({ name: 'areIdsPerPurpose', validator: { validate: isIdPerPurpose } }, options);

/** Custom audiences of one X ads account, reached as one user (OAuth 1.0a). */
export class XAdsSettings {
  @IsUrl({ require_tld: false, protocols: ['https', 'http'], require_protocol: true })
  baseUrl = 'https://ads-api.x.com';

  /** Version of the Ads API (partner-apis.md §0.4). */
  @Matches(/^\d+$/, { message: '$property must be a number such as 12' })
  version = '12';

  @IsString()
  @IsNotEmpty()
  consumerKey!: string;

  @IsString()
  @IsNotEmpty()
  consumerSecret!: string;

  @IsString()
  @IsNotEmpty()
  accessToken!: string;

  @IsString()
  @IsNotEmpty()
  accessTokenSecret!: string;

  @Matches(idPattern, id)
  accountId!: string;

  /** Purpose → custom audience id. */
  @AreIdsPerPurpose({ message: '$property must name a custom audience id for at least one purpose' })
  audiences!: Readonly<Record<string, string>>;
}
