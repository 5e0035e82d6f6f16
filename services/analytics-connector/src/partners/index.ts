export { segment } from './segment/definition.ts';
