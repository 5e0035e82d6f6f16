import { idPattern } from '@entente/contracts';
import { IsIn, IsInt, IsNotEmpty, IsUrl, Matches, Max, Min } from 'class-validator';
import { Env } from './env.ts';
import { KafkaConfig } from './kafka-config.ts';

const url = { require_tld: false, require_protocol: true, protocols: ['http', 'https'] };
const instanceName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What every service reads from its environment. A service's own class extends it with its default port. */
export abstract class ServiceConfig extends KafkaConfig {
  @Env('DATABASE_URL', { example: 'postgres://entente:secret@localhost:5432/entente', secret: true })
  @Matches(/^postgres(ql)?:\/\//, { message: 'must begin with postgres://' })
  databaseUrl!: string;

  /** 0 takes a free port. */
  @Env('HTTP_PORT', { example: '8080', as: 'integer' })
  @IsInt()
  @Min(0)
  @Max(65_535)
  abstract httpPort: number;

  @Env('HTTP_HOST', { example: '127.0.0.1' })
  httpHost = '127.0.0.1';

  @Env('LOG_LEVEL', { example: 'info' })
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent' = 'info';

  @Env('AUTH_ISSUER', { example: 'https://login.example' })
  @IsNotEmpty()
  authIssuer!: string;

  @Env('AUTH_JWKS_URL', { example: 'https://login.example/.well-known/jwks.json' })
  @IsUrl(url, { message: 'must be a URL' })
  authJwksUrl!: string;

  @Env('AUTH_AUDIENCE', { example: 'entente' })
  authAudience = 'entente';

  @Env('INSTANCE', { example: 'crm-connector-1' })
  @Matches(instanceName, { message: 'must be letters, digits, dots and dashes' })
  instance!: string;

  /** Where spans are sent, over HTTP; nothing is recorded without one. */
  @Env('OTEL_EXPORTER_OTLP_ENDPOINT', { example: 'http://otel-collector:4318', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  otlpEndpoint?: string;

  /** Share of the traces begun here that are kept. */
  @Env('OTEL_TRACES_SAMPLER_ARG', { example: '0.1', as: 'number' })
  @Min(0)
  @Max(1)
  traceRatio = 1;
}

/** A service of one controller that asks the consent service with a token of its own. */
export abstract class ConsentClientConfig extends ServiceConfig {
  @Env('CONTROLLER', { example: 'acme' })
  @Matches(new RegExp(idPattern.controller), { message: 'must be lower-case letters, digits and dashes' })
  controller!: string;

  @Env('CONSENT_URL', { example: 'http://localhost:8080' })
  @IsUrl(url, { message: 'must be a URL' })
  consentUrl!: string;

  @Env('TOKEN_URL', { example: 'https://login.example/token' })
  @IsUrl(url, { message: 'must be a URL' })
  tokenUrl!: string;

  @Env('CLIENT_ID', { example: 'crm-connector' })
  @IsNotEmpty()
  clientId!: string;

  @Env('CLIENT_SECRET', { example: '<secret>', secret: true })
  @IsNotEmpty()
  clientSecret!: string;
}
