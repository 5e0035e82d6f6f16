import { httpUrl } from '@entente/connector-runtime';
import { IsNotEmpty, IsString, IsUrl, Matches, ValidateIf } from 'class-validator';
import { AreIdsPerPurpose } from '../../settings-checks.ts';

/** DMP segments of one LinkedIn ad account, reached as one member. */
export class LinkedInSettings {
  @IsUrl(httpUrl)
  baseUrl = 'https://api.linkedin.com';

  @IsUrl(httpUrl)
  tokenUrl = 'https://www.linkedin.com/oauth/v2/accessToken';

  /** Version of the Marketing API, YYYYMM. One lives about twelve months (partner-apis.md §7). */
  @Matches(/^20\d{2}(0[1-9]|1[0-2])$/, {
    message: '$property must be the year and month of an API version, e.g. 202604',
  })
  version = '202604';

  /** A token that is renewed elsewhere; without it, the three that follow are needed. */
  @ValidateIf(
    ({ accessToken, refreshToken }: LinkedInSettings) => accessToken !== undefined || refreshToken === undefined,
  )
  @IsString({ message: 'accessToken, or refreshToken with clientId and clientSecret, must be given' })
  @IsNotEmpty()
  accessToken?: string;

  @ValidateIf(renews)
  @IsString()
  @IsNotEmpty()
  refreshToken?: string;

  @ValidateIf(renews)
  @IsString()
  @IsNotEmpty()
  clientId?: string;

  @ValidateIf(renews)
  @IsString()
  @IsNotEmpty()
  clientSecret?: string;

  /** Purpose → DMP segment id. */
  @AreIdsPerPurpose(/^\d+$/, { message: '$property must name a DMP segment id (digits) for at least one purpose' })
  audiences!: Readonly<Record<string, string>>;
}

function renews({ accessToken, refreshToken, clientId, clientSecret }: LinkedInSettings): boolean {
  return accessToken === undefined && [refreshToken, clientId, clientSecret].some((given) => given !== undefined);
}
