export { hubspot } from './hubspot/definition.ts';
export { klaviyo } from './klaviyo/definition.ts';
export { salesforce } from './salesforce/definition.ts';
export { unomi } from './unomi/definition.ts';
