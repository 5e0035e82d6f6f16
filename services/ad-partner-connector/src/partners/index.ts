export { metaCustomAudiences } from './meta/definition.ts';
export { metaConversions } from './meta/conversions/definition.ts';
export { googleDataManager } from './google-data-manager/definition.ts';
export { xAds } from './x-ads/definition.ts';
export { linkedInMatchedAudiences } from './linkedin/definition.ts';
export { tikTokAudiences } from './tiktok/definition.ts';
export { iabDataDeletion } from './iab-data-deletion/definition.ts';
