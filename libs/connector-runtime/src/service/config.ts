import { Env, loadConfigOrExit, type ConfigFault } from '@entente/config';
import { idPattern, parseKeyRing } from '@entente/contracts';
import type { LogLevel } from '@entente/observability';
import { plainToInstance } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsUrl,
  Matches,
  Max,
  Min,
  ValidateNested,
  validateSync,
} from 'class-validator';
import type { PartnerDefinition } from '../partner/definition.ts';

const url = { require_tld: false, require_protocol: true, protocols: ['http', 'https'] };
const ring = 'k1:<32 bytes in base64url>';
const recipientsExample = '[{"id":"hubspot-crm","partner":"hubspot","settings":{"token":"…"}}]';

/** One recipient as an operator configures it. */
export class RecipientConfig {
  @Matches(new RegExp(idPattern.name), { message: 'must be the recipient’s id in the catalogue' })
  id!: string;

  @IsNotEmpty()
  partner!: string;

  @IsObject()
  settings: object = {};
}

/** The environment of a connector service. */
export class ConnectorConfig {
  @Env('DATABASE_URL', { example: 'postgres://connector:secret@localhost:5432/entente', secret: true })
  @Matches(/^postgres(ql)?:\/\//, { message: 'must begin with postgres://' })
  databaseUrl!: string;

  @Env('KAFKA_BOOTSTRAP', { example: 'localhost:9092', as: 'list' })
  @ArrayNotEmpty({ message: 'must name at least one broker' })
  kafkaBootstrap!: string[];

  @Env('HTTP_PORT', { example: '8081', as: 'integer' })
  @IsInt()
  @Min(0)
  @Max(65_535)
  httpPort = 8081;

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

  /** Event and share keys of this service's own audience. */
  @Env('AUDIENCE_KEYS', { example: ring, secret: true })
  audienceKeys!: string;

  /** For identifiers at rest. */
  @Env('STORAGE_KEYS', { example: ring, secret: true })
  storageKeys!: string;

  @Env('GATE_DIR', { example: '/var/lib/entente/gate' })
  @IsNotEmpty()
  gateDirectory!: string;

  @Env('GATE_NAME', { example: 'crm-connector-1' })
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, { message: 'must be letters, digits, dots and dashes' })
  gateName!: string;

  @Env('INSTANCE', { example: 'crm-connector-1' })
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, { message: 'must be letters, digits, dots and dashes' })
  instance!: string;

  @Env('RECIPIENTS', { example: recipientsExample, as: 'json', secret: true, type: () => RecipientConfig })
  @ArrayNotEmpty({ message: 'must name at least one recipient' })
  @ValidateNested({ each: true })
  recipients!: RecipientConfig[];

  crossCheck(): readonly ConfigFault[] {
    return [...ringFaults('AUDIENCE_KEYS', this.audienceKeys), ...ringFaults('STORAGE_KEYS', this.storageKeys)];
  }
}

/** The parser's message names a position, never key material. */
function ringFaults(variable: string, text: string): ConfigFault[] {
  try {
    parseKeyRing(text);
    return [];
  } catch (error) {
    return [{ variable, rule: error instanceof Error ? error.message : 'cannot be read', example: ring }];
  }
}

/** A recipient's partner and its settings, validated by the partner's own class. */
export interface ConfiguredRecipient {
  readonly id: string;
  readonly definition: PartnerDefinition<object>;
  readonly settings: object;
}

/** Matches recipients with the partners of a service. Faults name places and rules, never values. */
function configureRecipients(
  recipients: readonly RecipientConfig[],
  partners: readonly PartnerDefinition<object>[],
): { readonly configured: readonly ConfiguredRecipient[]; readonly faults: readonly ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const fault = (rule: string): void => void faults.push({ variable: 'RECIPIENTS', rule, example: recipientsExample });
  const configured: ConfiguredRecipient[] = [];
  recipients.forEach(({ id, partner, settings }, index) => {
    if (recipients.findIndex((other) => other.id === id) < index) return fault(`${index}.id: names a recipient twice`);
    const definition = partners.find((each) => each.partner === partner);
    if (!definition)
      return fault(`${index}.partner: must be one of ${partners.map((each) => each.partner).join(', ')}`);
    const instance = plainToInstance(definition.settings, structuredClone(settings));
    const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
    for (const error of errors)
      for (const rule of Object.values(error.constraints ?? { invalid: 'is not valid' }))
        fault(`${index}.settings.${rule}`);
    configured.push({ id, definition, settings: instance });
  });
  return { configured, faults };
}

/** The service's whole configuration, its partners' settings included; every fault is in the error. */
export function loadConnectorConfig(
  partners: readonly PartnerDefinition<object>[],
  env: NodeJS.ProcessEnv = process.env,
): { readonly config: Readonly<ConnectorConfig>; readonly recipients: readonly ConfiguredRecipient[] } {
  class ConfigWithPartners extends ConnectorConfig {
    override crossCheck(): readonly ConfigFault[] {
      return [...super.crossCheck(), ...configureRecipients(this.recipients, partners).faults];
    }
  }
  const config = loadConfigOrExit(ConfigWithPartners, env);
  return { config, recipients: configureRecipients(config.recipients, partners).configured };
}
