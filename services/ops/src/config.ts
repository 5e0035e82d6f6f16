import { ConsentClientConfig, Env, loadConfigOrExit, type ConfigFault } from '@entente/config';
import { idPattern } from '@entente/contracts';
import { IsInt, IsNotEmpty, IsObject, IsUrl, Min } from 'class-validator';
import { canaryFault, type CanarySettings } from './canary/canary-settings.ts';
import { roles } from './sign-in/roles.ts';

const url = { require_tld: false, require_protocol: true, protocols: ['http', 'https'] };
const rolesExample = '{"consent-team":"operator","dpo":"admin"}';
const canariesExample =
  '{"hubspot-crm":{"purpose":"email-marketing","notice":"privacy-choices@1","email":"canary@acme.example"}}';
const connectorsExample = '{"hubspot-crm":"http://crm-connector:8081"}';

/** The whole environment of the ops service. */
export class OpsConfig extends ConsentClientConfig {
  override httpPort = 8085;
  override instance = 'ops-1';

  /** After this long without an outcome a recipient's oldest withdrawal is overdue (alert limit, ops-and-ux.md §3). */
  @Env('CONNECTOR_DEADLINE', { example: '60s', as: 'duration' })
  @IsInt()
  @Min(1_000)
  connectorDeadlineMs = 60_000;

  /** Recipient → its connector service, which parked work is asked of and replayed at. */
  @Env('CONNECTOR_URLS', { example: connectorsExample, as: 'json' })
  @IsObject()
  connectorUrls: Readonly<Record<string, string>> = {};

  /** This service as browsers reach it. Without it nobody can sign in; the API still takes bearer tokens. */
  @Env('CONSOLE_URL', { example: 'https://ops.example', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  consoleUrl?: string;

  @Env('OIDC_DISCOVERY_URL', { example: 'https://login.example/.well-known/openid-configuration', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  oidcDiscoveryUrl?: string;

  @Env('OIDC_CLIENT_ID', { example: 'entente-console', optional: true })
  @IsNotEmpty()
  oidcClientId?: string;

  @Env('OIDC_CLIENT_SECRET', { example: '<secret>', secret: true, optional: true })
  @IsNotEmpty()
  oidcClientSecret?: string;

  @Env('OIDC_SCOPE', { example: 'openid profile' })
  @IsNotEmpty()
  oidcScope = 'openid profile';

  /** The claim of the ID token that names what a person may do: a text or a list of texts. */
  @Env('OIDC_ROLES_CLAIM', { example: 'groups' })
  @IsNotEmpty()
  oidcRolesClaim = 'roles';

  /** Value of that claim → role; of several the one that may do most. */
  @Env('CONSOLE_ROLES', { example: rolesExample, as: 'json' })
  @IsObject()
  consoleRoles: Readonly<Record<string, string>> = Object.fromEntries(roles.map((role) => [role, role]));

  /** Recipient → what its canary agrees to, is named by and carries (docs/canaries.md); none runs where none is named. */
  @Env('CANARIES', { example: canariesExample, as: 'json' })
  @IsObject()
  canaries: Readonly<Record<string, Omit<CanarySettings, 'fields'>>> = {};

  /** Between two runs of one canary. */
  @Env('CANARY_EVERY', { example: '30s', as: 'duration' })
  @IsInt()
  @Min(5_000)
  canaryEveryMs = 30_000;

  /** A client of its own, with consent:grant, consent:withdraw and share:write. */
  @Env('CANARY_CLIENT_ID', { example: 'entente-canary', optional: true })
  @IsNotEmpty()
  canaryClientId?: string;

  @Env('CANARY_CLIENT_SECRET', { example: '<secret>', secret: true, optional: true })
  @IsNotEmpty()
  canaryClientSecret?: string;

  /** Whose alerts and silences the console shows. */
  @Env('ALERTMANAGER_URL', { example: 'http://alertmanager:9093', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  alertmanagerUrl?: string;

  /** Fault switches for the partners of a local stack. */
  @Env('DEMO_WORLD_URL', { example: 'http://127.0.0.1:9000', optional: true })
  @IsUrl(url, { message: 'must be a URL' })
  demoWorldUrl?: string;

  @Env('DEMO_WORLD_TOKEN', { example: '<secret>', secret: true, optional: true })
  @IsNotEmpty()
  demoWorldToken?: string;

  override crossCheck(): readonly ConfigFault[] {
    return [
      ...super.crossCheck(),
      ...signInFaults(this),
      ...roleFaults(this.consoleRoles),
      ...connectorFaults(this.connectorUrls),
      ...canaryFaults(this),
      ...demoFaults(this),
    ];
  }
}

function signInFaults(config: OpsConfig): ConfigFault[] {
  const parts = {
    CONSOLE_URL: config.consoleUrl,
    OIDC_DISCOVERY_URL: config.oidcDiscoveryUrl,
    OIDC_CLIENT_ID: config.oidcClientId,
    OIDC_CLIENT_SECRET: config.oidcClientSecret,
  };
  const names = Object.keys(parts);
  const missing = Object.entries(parts).filter(([, value]) => value === undefined);
  if (missing.length === names.length) return [];
  const rule = `is required: signing in needs ${names.join(', ')}`;
  const faults = missing.map(([variable]) => ({ variable, rule, example: 'docs/configuration.md' }));
  const plain = [config.consoleUrl, config.oidcDiscoveryUrl].some((given) => given?.startsWith('http:'));
  if (config.isProduction && plain)
    faults.push({
      variable: 'CONSOLE_URL',
      rule: 'and OIDC_DISCOVERY_URL must be https in production',
      example: 'https://ops.example',
    });
  return faults;
}

function roleFaults(mapping: Readonly<Record<string, string>>): ConfigFault[] {
  if (Object.values(mapping).every((role) => roles.some((known) => known === role))) return [];
  return [{ variable: 'CONSOLE_ROLES', rule: `names other roles than ${roles.join(', ')}`, example: rolesExample }];
}

function demoFaults({ demoWorldUrl, demoWorldToken, isProduction }: OpsConfig): ConfigFault[] {
  const fault = (rule: string): ConfigFault[] => [
    { variable: 'DEMO_WORLD_URL', rule, example: 'leave it out; only `npm run dev` sets it' },
  ];
  if (isProduction && (demoWorldUrl !== undefined || demoWorldToken !== undefined))
    return fault('must not be set unless NODE_ENV is development or test: it lets operators break partners');
  return (demoWorldUrl === undefined) === (demoWorldToken === undefined)
    ? []
    : fault('needs DEMO_WORLD_TOKEN beside it');
}

function canaryFaults({ canaries, connectorUrls, canaryClientId, canaryClientSecret }: OpsConfig): ConfigFault[] {
  const entries = Object.entries(canaries);
  const faults: ConfigFault[] = entries.flatMap(([recipient, given]) => {
    const fault = canaryFault(recipient, given);
    return fault === null ? [] : [{ variable: 'CANARIES', rule: fault, example: canariesExample }];
  });
  const unreachable = entries.find(([recipient]) => !Object.hasOwn(connectorUrls, recipient));
  if (unreachable)
    faults.push({
      variable: 'CONNECTOR_URLS',
      rule: `must name the connector of ${unreachable[0]}, which has a canary`,
      example: connectorsExample,
    });
  if (entries.length > 0 && (canaryClientId === undefined || canaryClientSecret === undefined))
    faults.push({
      variable: 'CANARY_CLIENT_ID',
      rule: 'and CANARY_CLIENT_SECRET are required: canaries act as a client of their own',
      example: 'entente-canary',
    });
  return faults;
}

function connectorFaults(urls: Readonly<Record<string, unknown>>): ConfigFault[] {
  const name = new RegExp(idPattern.name);
  const isAddress = (value: unknown) => typeof value === 'string' && /^https?:/.test(value) && URL.canParse(value);
  if (Object.entries(urls).every(([id, address]) => name.test(id) && isAddress(address))) return [];
  return [{ variable: 'CONNECTOR_URLS', rule: 'must give each recipient id a URL', example: connectorsExample }];
}

export const loadOpsConfig = (): Readonly<OpsConfig> => loadConfigOrExit(OpsConfig, process.env);
