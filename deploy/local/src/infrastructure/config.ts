import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The part of the environment that decides where Postgres and Kafka come from. */
export interface InfrastructureConfig {
  databaseUrl: string | undefined;
  kafkaBootstrap: string[] | undefined;
  java: string;
  /** For what is fetched or copied once and used by every run. */
  cache: string;
  /** For the directories of this run. */
  temporary: string;
  /** For the programs we start. */
  env: NodeJS.ProcessEnv;
}

const given = (value: string | undefined): string | undefined => (value?.trim() ? value.trim() : undefined);

export function readInfrastructureConfig(env: NodeJS.ProcessEnv = process.env): InfrastructureConfig {
  const javaHome = given(env.JAVA_HOME);
  const temporary = given(env.TMPDIR) ?? tmpdir();
  return {
    databaseUrl: given(env.DATABASE_URL),
    kafkaBootstrap: given(env.KAFKA_BOOTSTRAP)
      ?.split(',')
      .map((address) => address.trim())
      .filter((address) => address !== ''),
    java: javaHome ? join(javaHome, 'bin', 'java') : 'java',
    cache: given(env.ENTENTE_CACHE_DIR) ?? join(temporary, `entente-cache-${process.getuid?.() ?? 0}`),
    temporary,
    env,
  };
}
