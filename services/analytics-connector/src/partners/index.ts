export { segment } from './segment/definition.ts';
export { posthog } from './posthog/definition.ts';
