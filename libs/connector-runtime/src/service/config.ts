import { ConsentClientConfig, Env, loadConfigOrExit, type ConfigFault } from '@entente/config';
import { idPattern, parseKeyRing } from '@entente/contracts';
import { plainToInstance } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsBoolean,
  IsNotEmpty,
  IsObject,
  Matches,
  Min,
  ValidateNested,
  validateSync,
  type ValidationError,
} from 'class-validator';
import { DestinationGuard, isNetwork, type NetworkPolicy } from '@entente/gate';
import type { PartnerDefinition } from '../partner/definition.ts';
import { urlsIn } from '../partner/partner-hosts.ts';

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

  /** Where it may be reached beside the addresses in its settings: `host`, `host:port` or `*.domain`. */
  @Matches(/^(\*\.)?[a-z0-9.-]+(:\d{1,5})?$/, {
    each: true,
    message: 'must be written as host, host:port or *.domain',
  })
  hosts: string[] = [];

  /** Sends the partner the `traceparent` of calls about one person. It links what the partner sees of them: not by default. */
  @IsBoolean()
  traceparent = false;
}

/** The environment of a connector service. */
export class ConnectorConfig extends ConsentClientConfig {
  override httpPort = 8081;

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

  @Env('RECIPIENTS', { example: recipientsExample, as: 'json', secret: true, type: () => RecipientConfig })
  @ArrayNotEmpty({ message: 'must name at least one recipient' })
  @ValidateNested({ each: true })
  recipients!: RecipientConfig[];

  /** A partner that has not shown the effect of a revocation by then is not asked any more; never taken for confirmed. */
  @Env('CONFIRMATION_GIVE_UP_AFTER', { example: '45d', as: 'duration' })
  @Min(60_000, { message: 'must be at least a minute' })
  confirmationGiveUpMs = 45 * 86_400_000;

  /** How often each recipient that can be read is compared with our rows; 0 = never by itself. */
  @Env('RECONCILE_EVERY', { example: '1h', as: 'duration' })
  @Min(0)
  reconcileEveryMs = 3_600_000;

  /** Partners on this machine and in private networks, and HTTP without TLS: for the local stack and tests alone. */
  @Env('EGRESS_DEVELOPMENT', { example: 'true', as: 'boolean' })
  egressDevelopment = false;

  /** Private networks where self-hosted partners stand. */
  @Env('EGRESS_PRIVATE_NETWORKS', { example: '10.20.0.0/16', as: 'list' })
  egressPrivateNetworks: string[] = [];

  get network(): NetworkPolicy {
    return { development: this.egressDevelopment, privateNetworks: this.egressPrivateNetworks };
  }

  override crossCheck(): readonly ConfigFault[] {
    return [
      ...super.crossCheck(),
      ...ringFaults('AUDIENCE_KEYS', this.audienceKeys),
      ...ringFaults('STORAGE_KEYS', this.storageKeys),
      ...this.#networkFaults(),
    ];
  }

  #networkFaults(): ConfigFault[] {
    const faults: ConfigFault[] = [];
    if (this.egressDevelopment && this.isProduction)
      faults.push({
        variable: 'EGRESS_DEVELOPMENT',
        rule: 'must be false unless NODE_ENV is development or test; name private networks in EGRESS_PRIVATE_NETWORKS',
        example: 'false',
      });
    if (!this.egressPrivateNetworks.every(isNetwork))
      faults.push({
        variable: 'EGRESS_PRIVATE_NETWORKS',
        rule: 'must be networks written as <address>/<bits>',
        example: '10.20.0.0/16',
      });
    return faults;
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
  readonly extraHosts: readonly string[];
  readonly tellsTrace?: boolean;
}

/** A partner's settings as its own class reads them, and what is wrong with them: each begins with the member's name. */
export function readSettings(
  definition: PartnerDefinition<object>,
  settings: object,
): { readonly instance: object; readonly faults: readonly string[] } {
  const instance = plainToInstance(definition.settings, structuredClone(settings));
  const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
  return { instance, faults: errors.flatMap((error) => rulesOf(error)) };
}

function rulesOf({ property, constraints, children = [] }: ValidationError): string[] {
  const own = Object.values(constraints ?? (children.length === 0 ? { invalid: 'is not valid' } : {}));
  return [
    ...own.map((rule) => (rule.includes(property) ? rule : `${property} ${rule}`)),
    ...children.flatMap((child) => rulesOf(child).map((rule) => `${property}.${rule}`)),
  ];
}

/** Matches recipients with the partners of a service. Faults name places and rules, never values. */
function configureRecipients(
  recipients: readonly RecipientConfig[],
  partners: readonly PartnerDefinition<object>[],
  network: NetworkPolicy,
): { readonly configured: readonly ConfiguredRecipient[]; readonly faults: readonly ConfigFault[] } {
  const guard = new DestinationGuard(network);
  const faults: ConfigFault[] = [];
  const fault = (rule: string): void => void faults.push({ variable: 'RECIPIENTS', rule, example: recipientsExample });
  const configured: ConfiguredRecipient[] = [];
  recipients.forEach(({ id, partner, settings, hosts, traceparent: tellsTrace }, index) => {
    if (recipients.findIndex((other) => other.id === id) < index) return fault(`${index}.id: names a recipient twice`);
    const definition = partners.find((each) => each.partner === partner);
    if (!definition)
      return fault(`${index}.partner: must be one of ${partners.map((each) => each.partner).join(', ')}`);
    const { instance, faults: wrong } = readSettings(definition, settings);
    for (const rule of wrong) fault(`${index}.settings.${rule}`);
    for (const { path, url } of urlsIn(instance)) {
      const refusal = guard.refusalOf(url);
      if (refusal !== null) fault(`${index}.settings.${path}: the egress guard refuses it: ${refusal}`);
    }
    configured.push({ id, definition, settings: instance, extraHosts: hosts, tellsTrace });
  });
  return { configured, faults };
}

/** How it is said that the configuration is not usable, and what ends the process. */
type PrintAndExit = [print?: (text: string) => void, exit?: (code: number) => never];

/** The service's whole configuration, its partners' settings included; every fault is in the error. */
export function loadConnectorConfig(
  partners: readonly PartnerDefinition<object>[],
  env: NodeJS.ProcessEnv = process.env,
  ...printAndExit: PrintAndExit
): { readonly config: Readonly<ConnectorConfig>; readonly recipients: readonly ConfiguredRecipient[] } {
  class ConfigWithPartners extends ConnectorConfig {
    #recipientFaults(): readonly ConfigFault[] {
      // A network that cannot be read is a fault of its own already.
      const privateNetworks = this.egressPrivateNetworks.filter(isNetwork);
      return configureRecipients(this.recipients, partners, { ...this.network, privateNetworks }).faults;
    }

    override crossCheck(): readonly ConfigFault[] {
      return [...super.crossCheck(), ...this.#recipientFaults()];
    }
  }
  const config = loadConfigOrExit(ConfigWithPartners, env, ...printAndExit);
  return { config, recipients: configureRecipients(config.recipients, partners, config.network).configured };
}
