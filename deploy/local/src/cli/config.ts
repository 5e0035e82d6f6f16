import { KafkaConfig, loadConfig, type KafkaConnection } from '@entente/config';
import type { ConnectionOptions } from './running-stack.ts';

/** Defaults of the commands' options from the environment. */
export const connectionFromEnvironment = (env: NodeJS.ProcessEnv = process.env): ConnectionOptions => ({
  ...(env['ENTENTE_CONSENT_URL'] ? { consentUrl: env['ENTENTE_CONSENT_URL'] } : {}),
  ...(env['ENTENTE_OPS_URL'] ? { opsUrl: env['ENTENTE_OPS_URL'] } : {}),
  ...(env['ENTENTE_DECISIONS_URL'] ? { decisionsUrl: env['ENTENTE_DECISIONS_URL'] } : {}),
  ...(env['ENTENTE_TOKEN'] ? { token: env['ENTENTE_TOKEN'] } : {}),
  ...(env['ENTENTE_TOKEN_URL'] && env['ENTENTE_CLIENT_ID'] && env['ENTENTE_CLIENT_SECRET']
    ? {
        credentials: {
          tokenEndpoint: env['ENTENTE_TOKEN_URL'],
          clientId: env['ENTENTE_CLIENT_ID'],
          clientSecret: env['ENTENTE_CLIENT_SECRET'],
        },
      }
    : {}),
});

/** For commands that run in the environment of a service. */
export const serviceEnvironment = (env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv => env;

export interface ServersGiven {
  readonly databaseUrl?: string;
  readonly kafka?: KafkaConnection;
}

/**
 * `bootstrap`: brokers named otherwise than by KAFKA_BOOTSTRAP; how they are spoken with is in the environment all the same.
 * @throws ConfigError with every fault of the connection to Kafka
 */
export function serversFromEnvironment(
  bootstrap: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): ServersGiven {
  const brokers = bootstrap ?? env['KAFKA_BOOTSTRAP'];
  return {
    ...(env['DATABASE_URL'] ? { databaseUrl: env['DATABASE_URL'] } : {}),
    ...(brokers ? { kafka: loadConfig(KafkaConfig, { ...env, KAFKA_BOOTSTRAP: brokers }).kafka } : {}),
  };
}
