export { amplitude } from './amplitude/definition.ts';
export { segment } from './segment/definition.ts';
