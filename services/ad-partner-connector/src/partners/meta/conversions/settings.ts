import { httpUrl } from '@entente/connector-runtime';
import { IsArray, IsIn, IsInt, IsNotEmpty, IsOptional, IsString, IsUrl, Matches, Min } from 'class-validator';

const digits = { message: '$property must be digits only' };
const actionSources = [
  'website',
  'app',
  'email',
  'phone_call',
  'chat',
  'physical_store',
  'system_generated',
  'business_messaging',
  'other',
] as const;

/** Events of one Meta pixel (dataset). */
export class MetaConversionsSettings {
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

  @Matches(/^\d+$/, digits)
  pixelId!: string;

  /** Where events happen, unless a share says otherwise. */
  @IsIn(actionSources)
  actionSource: (typeof actionSources)[number] = 'website';

  /** Sends to the Test Events tool instead of into ads. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  testEventCode?: string;

  /** Purposes whose events always carry Limited Data Use. */
  @IsArray()
  @IsString({ each: true })
  limitedPurposes: readonly string[] = [];

  /** Events for other purposes carry Limited Data Use where the person does not allow this purpose at this recipient. */
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  limitedWithout?: string;

  /** 0: Meta finds out where the person is; 1: the United States. */
  @IsIn([0, 1])
  limitedCountry = 0;

  /** 0: Meta finds out; else Meta's number of the state. */
  @IsInt()
  @Min(0)
  limitedState = 0;

  /** Ad account from all of whose customer lists a person is removed when a purpose falls away (partner-apis.md §1). */
  @IsOptional()
  @Matches(/^\d+$/, digits)
  optOutAccount?: string;
}
