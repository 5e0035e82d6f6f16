import { Env, loadConfigOrExit } from '@entente/config';
import { idPattern } from '@entente/contracts';
import { IsIn, IsInt, IsNotEmpty, IsString, IsUrl, Matches, Max, Min } from 'class-validator';

/** The whole environment of the ops service. */
export class OpsConfig {
  @Env('DATABASE_URL', { example: 'postgres://entente:secret@localhost:5432/entente', secret: true })
  @Matches(/^postgres(ql)?:\/\//, { message: 'must begin with postgres://' })
  readonly databaseUrl!: string;

  @Env('KAFKA_BOOTSTRAP', { example: 'localhost:9092', as: 'list' })
  @IsString({ each: true })
  @IsNotEmpty({ each: true })
  readonly kafkaBootstrap!: string[];

  @Env('HTTP_PORT', { example: '8085', as: 'integer' })
  @IsInt()
  @Min(0)
  @Max(65_535)
  readonly httpPort: number = 8085;

  @Env('HTTP_HOST', { example: '0.0.0.0' })
  @IsString()
  readonly httpHost: string = '127.0.0.1';

  @Env('LOG_LEVEL', { example: 'info' })
  @IsIn(['debug', 'info', 'warn', 'error'])
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' = 'info';

  @Env('NODE_ENV', { example: 'production' })
  @IsIn(['production', 'development', 'test'])
  readonly environment: string = 'production';

  @Env('INSTANCE', { example: 'ops-1' })
  @Matches(/^[A-Za-z0-9._-]{1,64}$/)
  readonly instance: string = 'ops-1';

  @Env('AUTH_ISSUER', { example: 'https://login.example.com' })
  @IsString()
  @IsNotEmpty()
  readonly authIssuer!: string;

  @Env('AUTH_JWKS_URL', { example: 'https://login.example.com/jwks.json' })
  @IsUrl({ protocols: ['http', 'https'], require_tld: false })
  readonly authJwksUrl!: string;

  @Env('AUTH_AUDIENCE', { example: 'entente' })
  @IsString()
  readonly authAudience: string = 'entente';

  @Env('CONTROLLER', { example: 'acme' })
  @Matches(new RegExp(idPattern.controller))
  readonly controller!: string;

  @Env('CONSENT_URL', { example: 'http://consent:8080' })
  @IsUrl({ protocols: ['http', 'https'], require_tld: false })
  readonly consentUrl!: string;

  @Env('TOKEN_URL', { example: 'https://login.example.com/token' })
  @IsUrl({ protocols: ['http', 'https'], require_tld: false })
  readonly tokenUrl!: string;

  @Env('CLIENT_ID', { example: 'ops' })
  @IsString()
  @IsNotEmpty()
  readonly clientId!: string;

  @Env('CLIENT_SECRET', { example: 'a-long-random-text', secret: true })
  @IsString()
  @IsNotEmpty()
  readonly clientSecret!: string;

  /** After this long without an outcome a recipient's oldest withdrawal is overdue (alert limit, ops-and-ux.md §3). */
  @Env('CONNECTOR_DEADLINE', { example: '60s', as: 'duration' })
  @IsInt()
  @Min(1_000)
  readonly connectorDeadlineMs: number = 60_000;
}

export const loadOpsConfig = (): Readonly<OpsConfig> => loadConfigOrExit(OpsConfig, process.env);
