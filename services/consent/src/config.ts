import { parseKeyRing } from '@entente/contracts';
import type { Audience, KeyRing } from '@entente/contracts';
import { Env, loadConfigOrExit } from '@entente/config';
import type { ConfigFault } from '@entente/config';
import type { LogLevel } from '@entente/observability';
import { ArrayNotEmpty, IsIn, IsInt, IsObject, IsUrl, Matches, Max, Min } from 'class-validator';
import { parseSubjectHashKeys } from './identifiers/subject-hash-keys.ts';

const url = { require_tld: false, require_protocol: true };
const ring = 'k1:<32 bytes in base64url>';

/** The environment of the consent service. */
export class ConsentConfig {
  @Env('DATABASE_URL', { example: 'postgres://consent:secret@localhost:5432/entente', secret: true })
  @Matches(/^postgres(ql)?:\/\//, { message: 'must begin with postgres://' })
  databaseUrl!: string;

  @Env('KAFKA_BOOTSTRAP', { example: 'localhost:9092', as: 'list' })
  @ArrayNotEmpty({ message: 'must name at least one broker' })
  kafkaBootstrap!: string[];

  @Env('HTTP_PORT', { example: '8080', as: 'integer' })
  @IsInt()
  @Min(0)
  @Max(65_535)
  httpPort = 8080;

  @Env('HTTP_HOST', { example: '127.0.0.1' })
  httpHost = '127.0.0.1';

  @Env('LOG_LEVEL', { example: 'info' })
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  logLevel: LogLevel = 'info';

  @Env('NODE_ENV', { example: 'production' })
  nodeEnv = 'production';

  @Env('AUTH_ISSUER', { example: 'https://login.example' })
  authIssuer!: string;

  @Env('AUTH_JWKS_URL', { example: 'https://login.example/.well-known/jwks.json' })
  @IsUrl(url, { message: 'must be a URL' })
  authJwksUrl!: string;

  @Env('AUTH_AUDIENCE', { example: 'entente' })
  authAudience = 'entente';

  @Env('SUBJECT_HASH_KEYS', { example: '1:<32 bytes in base64url>', secret: true })
  subjectHashKeys!: string;

  @Env('IDENTIFIER_KEYS', { example: ring, secret: true })
  identifierKeys!: string;

  @Env('AUDIENCE_KEYS', { example: `{"crm":"${ring}"}`, as: 'json', secret: true })
  @IsObject()
  audienceKeys!: Record<string, string>;

  @Env('SHARE_KEYS', { example: `{"crm":"${ring}"}`, as: 'json', secret: true })
  @IsObject()
  shareKeys: Record<string, string> = {};

  @Env('RELAY', { example: 'on' })
  @IsIn(['on', 'off'])
  relay: 'on' | 'off' = 'on';

  @Env('API', { example: 'on' })
  @IsIn(['on', 'off'])
  api: 'on' | 'off' = 'on';

  @Env('OPS_URL', { example: 'http://localhost:8084' })
  @IsUrl(url, { message: 'must be a URL' })
  opsUrl = 'http://localhost:8084';

  @Env('INSTANCE', { example: 'consent-1' })
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, { message: 'must be letters, digits, dots and dashes' })
  instance = 'consent-1';

  crossCheck(): readonly ConfigFault[] {
    return [
      ...faultsOf('SUBJECT_HASH_KEYS', '1:<32 bytes in base64url>', () => parseSubjectHashKeys(this.subjectHashKeys)),
      ...faultsOf('IDENTIFIER_KEYS', ring, () => parseKeyRing(this.identifierKeys)),
      ...faultsOf('AUDIENCE_KEYS', `{"crm":"${ring}"}`, () => parseKeyRings(this.audienceKeys)),
      ...faultsOf('SHARE_KEYS', `{"crm":"${ring}"}`, () => parseKeyRings(this.shareKeys)),
      ...(this.relay === 'off' && this.api === 'off'
        ? [{ variable: 'API', rule: 'must be on where RELAY is off: this process would do nothing', example: 'on' }]
        : []),
    ];
  }
}

/** One key ring per audience, from JSON of ring texts. */
export function parseKeyRings(texts: Readonly<Record<string, string>>): ReadonlyMap<Audience, KeyRing> {
  return new Map(Object.entries(texts).map(([name, text]) => [name as Audience, parseKeyRing(text)]));
}

/** The parsers' messages name positions, never key material. */
function faultsOf(variable: string, example: string, parse: () => unknown): ConfigFault[] {
  try {
    parse();
    return [];
  } catch (error) {
    return [{ variable, rule: error instanceof Error ? error.message : 'cannot be read', example }];
  }
}

export const loadConsentConfig = (): Readonly<ConsentConfig> => loadConfigOrExit(ConsentConfig, process.env);
