import { ArrayNotEmpty, IsBoolean, IsIn, IsNotEmpty } from 'class-validator';
import { createSecureContext } from 'node:tls';
import type { ConfigFault } from './config-error.ts';
import { Env } from './env.ts';

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
const pemExample = '-----BEGIN CERTIFICATE-----…';
const keyExample = '-----BEGIN PRIVATE KEY-----…';

/** How the brokers are reached, as `createKafka` takes it. */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly ssl?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: {
    readonly mechanism: (typeof mechanisms)[number];
    readonly username: string;
    readonly password: string;
  };
}

/** What every service, and every command that speaks with Kafka, reads about it. Certificates and keys are PEM texts. */
export class KafkaConfig {
  @Env('KAFKA_BOOTSTRAP', { example: 'localhost:9092', as: 'list' })
  @ArrayNotEmpty({ message: 'must name at least one broker' })
  kafkaBootstrap!: string[];

  @Env('KAFKA_TLS', { example: 'true', as: 'boolean' })
  @IsBoolean()
  kafkaTls = false;

  /** Authorities whose brokers are believed; without it those Node trusts. */
  @Env('KAFKA_TLS_CA', { example: pemExample, secret: true, optional: true })
  @IsNotEmpty()
  kafkaTlsCa?: string;

  @Env('KAFKA_TLS_CERT', { example: pemExample, secret: true, optional: true })
  @IsNotEmpty()
  kafkaTlsCert?: string;

  @Env('KAFKA_TLS_KEY', { example: keyExample, secret: true, optional: true })
  @IsNotEmpty()
  kafkaTlsKey?: string;

  @Env('KAFKA_SASL_MECHANISM', { example: 'scram-sha-512', optional: true })
  @IsIn(mechanisms)
  kafkaSaslMechanism?: (typeof mechanisms)[number];

  @Env('KAFKA_SASL_USERNAME', { example: 'crm-connector', optional: true })
  @IsNotEmpty()
  kafkaSaslUsername?: string;

  @Env('KAFKA_SASL_PASSWORD', { example: '<secret>', secret: true, optional: true })
  @IsNotEmpty()
  kafkaSaslPassword?: string;

  /** Anything but `development` and `test` is production. */
  @Env('NODE_ENV', { example: 'production' })
  nodeEnv = 'production';

  get isProduction(): boolean {
    return !['development', 'test'].includes(this.nodeEnv);
  }

  get kafka(): KafkaConnection {
    const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = this;
    const ssl = {
      ...(this.kafkaTlsCa === undefined ? {} : { ca: this.kafkaTlsCa }),
      ...(this.kafkaTlsCert === undefined ? {} : { cert: this.kafkaTlsCert }),
      ...(this.kafkaTlsKey === undefined ? {} : { key: this.kafkaTlsKey }),
    };
    return {
      brokers: this.kafkaBootstrap,
      ...(this.kafkaTls ? { ssl } : {}),
      ...(mechanism && username && password ? { sasl: { mechanism, username, password } } : {}),
    };
  }

  /** How these values go together; a class that judges its own too adds them to these. */
  crossCheck(): readonly ConfigFault[] {
    return [...tlsFaults(this), ...saslFaults(this)];
  }
}

function tlsFaults({ kafkaTls, kafkaTlsCa: ca, kafkaTlsCert: cert, kafkaTlsKey: key }: KafkaConfig): ConfigFault[] {
  const faults: ConfigFault[] = [];
  const unused = Object.entries({ KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key }).find(([, pem]) => pem);
  if (!kafkaTls && unused)
    faults.push({ variable: 'KAFKA_TLS', rule: `must be true where ${unused[0]} is given`, example: 'true' });
  if (ca !== undefined && !readable({ ca }))
    faults.push({ variable: 'KAFKA_TLS_CA', rule: 'must hold certificates in PEM', example: pemExample });
  if ((cert === undefined) !== (key === undefined)) {
    const [missing, given] =
      cert === undefined ? ['KAFKA_TLS_CERT', 'KAFKA_TLS_KEY'] : ['KAFKA_TLS_KEY', 'KAFKA_TLS_CERT'];
    faults.push({ variable: missing, rule: `is required where ${given} is given`, example: pemExample });
  }
  if (cert !== undefined && !readable({ cert }))
    faults.push({ variable: 'KAFKA_TLS_CERT', rule: 'must hold a certificate in PEM', example: pemExample });
  else if (key !== undefined && !readable({ key }))
    faults.push({
      variable: 'KAFKA_TLS_KEY',
      rule: 'must hold a private key in PEM, unencrypted',
      example: keyExample,
    });
  else if (cert !== undefined && key !== undefined && !readable({ cert, key }))
    faults.push({ variable: 'KAFKA_TLS_KEY', rule: 'must be the key of KAFKA_TLS_CERT', example: keyExample });
  return faults;
}

/** OpenSSL's own message may quote what it was given. */
function readable(parts: { readonly ca?: string; readonly cert?: string; readonly key?: string }): boolean {
  if (parts.ca !== undefined && !parts.ca.includes('-----BEGIN CERTIFICATE-----')) return false;
  try {
    createSecureContext(parts);
    return true;
  } catch {
    return false;
  }
}

function saslFaults(config: KafkaConfig): ConfigFault[] {
  const { kafkaSaslMechanism: mechanism, isProduction, kafkaTls } = config;
  const parts = [
    { variable: 'KAFKA_SASL_MECHANISM', value: mechanism, example: 'scram-sha-512' },
    { variable: 'KAFKA_SASL_USERNAME', value: config.kafkaSaslUsername, example: 'crm-connector' },
    { variable: 'KAFKA_SASL_PASSWORD', value: config.kafkaSaslPassword, example: '<secret>' },
  ];
  const missing = parts.filter(({ value }) => value === undefined);
  const rule = `is required: logging in at the brokers needs ${parts.map(({ variable }) => variable).join(', ')}`;
  const faults =
    missing.length === parts.length ? [] : missing.map(({ variable, example }) => ({ variable, rule, example }));
  if (mechanism === 'plain' && !kafkaTls && isProduction)
    faults.push({
      variable: 'KAFKA_SASL_MECHANISM',
      rule: 'must not be plain without KAFKA_TLS: the password would cross the network as it is',
      example: 'scram-sha-512',
    });
  return faults;
}
