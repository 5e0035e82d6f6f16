import { IsNotEmpty, IsObject, IsOptional, IsString, IsUrl, Matches } from 'class-validator';

/** One Meta ad account's custom audiences. */
export class MetaSettings {
  @IsUrl({ require_tld: false, protocols: ['https', 'http'], require_protocol: true })
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
  appSecret?: string;

  /** Purpose → audience id. */
  @IsObject()
  audiences!: Readonly<Record<string, string>>;
}
