export { metaCustomAudiences } from './meta/definition.ts';
