import { httpUrl } from '@entente/connector-runtime';
import { IsNotEmpty, IsObject, IsOptional, IsString, IsUrl } from 'class-validator';

/** One Segment source and the workspace it belongs to. */
export class SegmentSettings {
  /** The Tracking API. */
  @IsUrl(httpUrl)
  trackUrl = 'https://api.segment.io';

  /** The Public API, for regulations. */
  @IsUrl(httpUrl)
  apiUrl = 'https://api.segmentapis.com';

  @IsString()
  @IsNotEmpty()
  writeKey!: string;

  /** Public API token. */
  @IsString()
  @IsNotEmpty()
  token!: string;

  /** Purpose → consent category configured in the workspace. */
  @IsObject()
  categories!: Readonly<Record<string, string>>;

  /** Restricts regulations to one source; absent = the workspace. */
  @IsOptional()
  @IsString()
  sourceId?: string;
}
