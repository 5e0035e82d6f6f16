import { httpUrl } from '@entente/connector-runtime';
import { IsIn, IsNotEmpty, IsObject, IsOptional, IsString, IsUrl } from 'class-validator';

/** One HubSpot account. */
export class HubspotSettings {
  @IsUrl(httpUrl)
  baseUrl = 'https://api.hubapi.com';

  /** Private app or OAuth access token. */
  @IsString()
  @IsNotEmpty()
  token!: string;

  /** Purpose → id of the subscription type that stands for it. */
  @IsObject()
  subscriptions: Readonly<Record<string, number>> = {};

  /** Purpose → contact property that says `granted` or `denied`. */
  @IsOptional()
  @IsObject()
  consentProperties: Readonly<Record<string, string>> = {};

  /** The dated version of the API (partner-apis.md §10.2). */
  @IsIn(['2026-03', '2026-09'])
  version = '2026-03';
}
