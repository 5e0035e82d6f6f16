export { hubspot } from './hubspot/definition.ts';
