export { segment } from './segment/definition.ts';
export { mixpanel } from './mixpanel/definition.ts';
export { posthog } from './posthog/definition.ts';
