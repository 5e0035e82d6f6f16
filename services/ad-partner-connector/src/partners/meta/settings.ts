import { httpUrl } from '@entente/connector-runtime';
import { IsNotEmpty, IsOptional, IsString, IsUrl, Matches } from 'class-validator';
import { AreIdsPerPurpose } from '../../settings-checks.ts';

/** One Meta ad account's custom audiences. */
export class MetaSettings {
  @IsUrl(httpUrl)
  baseUrl = 'https://graph.facebook.com';

  /** Graph API version (partner-apis.md §0.4). */
  @Matches(/^v\d+\.\d+$/)
  version = 'v25.0';

  @IsString()
  @IsNotEmpty()
  token!: string;

  /** When given, every call carries an appsecret_proof. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  appSecret?: string;

  /** Purpose → audience id. */
  @AreIdsPerPurpose(/^\d+$/, { message: '$property must name a custom audience id (digits) for at least one purpose' })
  audiences!: Readonly<Record<string, string>>;
}
