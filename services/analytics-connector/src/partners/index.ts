export { amplitude } from './amplitude/definition.ts';
export { segment } from './segment/definition.ts';
export { ga4 } from './ga4/definition.ts';
export { mixpanel } from './mixpanel/definition.ts';
export { posthog } from './posthog/definition.ts';
