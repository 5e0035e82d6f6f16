import { httpUrl } from '@entente/connector-runtime';
import { IsNotEmpty, IsString, IsUrl, Matches } from 'class-validator';
import { AreIdsPerPurpose } from '../../settings-checks.ts';

const idPattern = /^[0-9a-z]+$/;
const id = { message: '$property must be lower-case letters and digits, as in the addresses of the Ads API' };

/** Custom audiences of one X ads account, reached as one user (OAuth 1.0a). */
export class XAdsSettings {
  @IsUrl(httpUrl)
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
  @AreIdsPerPurpose(idPattern, { message: '$property must name a custom audience id for at least one purpose' })
  audiences!: Readonly<Record<string, string>>;
}
