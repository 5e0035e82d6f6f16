import { amplitude, type AmplitudeOptions } from './amplitude/amplitude.ts';
import { ga4, type Ga4Options } from './ga4/ga4.ts';
import { googleDataManager, type GoogleDataManagerOptions } from './google-data-manager/google-data-manager.ts';
import { hubspot, type HubspotOptions } from './hubspot/hubspot.ts';
import { iabDataDeletion, type IabDataDeletionOptions } from './iab-data-deletion/iab-data-deletion.ts';
import { klaviyo, type KlaviyoOptions } from './klaviyo/klaviyo.ts';
import { linkedin, type LinkedInOptions } from './linkedin/linkedin.ts';
import { meta, type MetaOptions } from './meta/meta.ts';
import { mixpanel, type MixpanelOptions } from './mixpanel/mixpanel.ts';
import type { Partner, PartnerName } from './partner.ts';
import { salesforce, type SalesforceOptions } from './salesforce/salesforce.ts';
import { posthog, type PosthogOptions } from './posthog/posthog.ts';
import { segment, type SegmentOptions } from './segment/segment.ts';
import { type RunningServer, serve, type ServeOptions } from './server.ts';
import { tiktok, type TikTokOptions } from './tiktok/tiktok.ts';
import { unomi, type UnomiOptions } from './unomi/unomi.ts';
import { xAds, type XAdsOptions } from './x-ads/x-ads.ts';

/** Options of every partner; each takes what it knows. */
export type ContractServerOptions = ServeOptions &
  HubspotOptions &
  SegmentOptions &
  MetaOptions &
  UnomiOptions &
  KlaviyoOptions &
  GoogleDataManagerOptions &
  XAdsOptions &
  SalesforceOptions &
  AmplitudeOptions &
  Ga4Options &
  MixpanelOptions &
  PosthogOptions &
  LinkedInOptions &
  TikTokOptions &
  IabDataDeletionOptions;

const partners: Readonly<Record<PartnerName, (options: ContractServerOptions) => Partner>> = {
  hubspot,
  segment,
  meta,
  unomi,
  klaviyo,
  'google-data-manager': googleDataManager,
  'x-ads': xAds,
  salesforce,
  amplitude,
  ga4,
  mixpanel,
  posthog,
  linkedin,
  tiktok,
  'iab-data-deletion': iabDataDeletion,
};

/** A contract server inside this process; the store is rebuilt from the journal when the file already exists. */
export const startContractServer = (partner: PartnerName, options: ContractServerOptions): Promise<RunningServer> =>
  serve(partners[partner](options), options);
