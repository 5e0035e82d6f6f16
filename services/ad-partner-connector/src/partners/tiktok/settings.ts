import { httpUrl } from '@entente/connector-runtime';
import { ArrayNotEmpty, IsArray, IsInt, IsNotEmpty, IsString, IsUrl, Matches, Max, Min } from 'class-validator';
import { AreIdsPerPurpose } from '../../settings-checks.ts';

const idForm = /^\d+$/;
const wholeNumbers = { each: true, message: '$property must be whole numbers' };

/** Custom audiences of a TikTok advertiser. What no primary source confirms can be set (partner-apis.md §5). */
export class TikTokSettings {
  @IsUrl(httpUrl)
  baseUrl = 'https://business-api.tiktok.com';

  @Matches(/^v\d+\.\d+$/, { message: '$property must be an API version such as v1.3' })
  version = 'v1.3';

  @IsString()
  @IsNotEmpty()
  token!: string;

  @IsArray()
  @ArrayNotEmpty()
  @Matches(idForm, { each: true, message: '$property must be advertiser ids (digits)' })
  advertiserIds!: readonly string[];

  /** Purpose → custom audience id. */
  @AreIdsPerPurpose(idForm, { message: '$property must name a custom audience id (digits) for at least one purpose' })
  audiences!: Readonly<Record<string, string>>;

  /** One third party sends so many; TikTok's own number is not published. */
  @IsInt()
  @Min(2)
  @Max(10_000)
  rowsPerRequest = 1_000;

  /** Return codes after which a repetition may succeed, beside all from 50000 on. */
  @IsInt(wholeNumbers)
  retryCodes: readonly number[] = [];

  @IsInt(wholeNumbers)
  throttleCodes: readonly number[] = [40_100];

  @IsInt(wholeNumbers)
  tokenCodes: readonly number[] = [40_104, 40_105];

  @IsInt(wholeNumbers)
  permissionCodes: readonly number[] = [40_001];

  /** Return codes behind which one bad row may stand: such a request is sent again in halves. */
  @IsInt(wholeNumbers)
  rowCodes: readonly number[] = [40_002];
}
