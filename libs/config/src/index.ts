export { Env } from './env.ts';
export type { EnvOptions, EnvValueKind } from './env.ts';
export { ConfigError } from './config-error.ts';
export type { ConfigFault } from './config-error.ts';
export { loadConfig, loadConfigOrExit } from './load-config.ts';
export type { ConfigClass, CrossChecked } from './load-config.ts';
export { ConsentClientConfig, ServiceConfig } from './service-config.ts';
export { KafkaConfig } from './kafka-config.ts';
export type { KafkaConnection } from './kafka-config.ts';
