import { consoleClientId, type ClientId } from './clients.ts';
import type { ConnectorName, MorePartner } from './more-partner.ts';
import type { StackSecrets } from './secrets.ts';
import { starterNotice } from './starter-catalogue.ts';

export interface Wiring {
  readonly databaseUrl: string;
  readonly bootstrap: readonly string[];
  readonly issuer: {
    readonly issuer: string;
    readonly jwksUrl: string;
    readonly tokenUrl: string;
    readonly discoveryUrl: string;
  };
  readonly audience: string;
  readonly controller: string;
  readonly secrets: StackSecrets;
  readonly consentUrl: string;
  readonly opsUrl: string;
  readonly decisionsUrl?: string;
  /** Recipient → the connector that serves it. */
  readonly connectorUrls: Readonly<Record<string, string>>;
  readonly partners: Readonly<Record<'hubspot' | 'segment' | 'meta', { readonly url: string }>>;
  readonly more: readonly (MorePartner & { readonly url: string })[];
  readonly runDirectory: string;
  readonly logLevel: string;
  /** Given to every service beside its own. */
  readonly nodeOptions?: string;
  readonly canaries: boolean;
  readonly demoWorld?: { readonly url: string; readonly token: string };
}

/** Credentials the contract servers accept; they are no secrets, the servers exist for tests and the demo. */
export const partnerCredentials = {
  hubspotToken: 'hubspot-test-token',
  segmentWriteKey: 'segment-test-write-key',
  segmentPublicApiToken: 'segment-test-public-api-token',
  metaAccessToken: 'meta-test-access-token',
  metaAudience: '23840000000000001',
} as const;

/**
 * As deploy/docker/Dockerfile has it. Left to itself V8 sizes its heap by the machine's memory, not by what lives: on 24 GB
 * the young generation alone grows to 128 MB, and an import's garbage to 550 MB around 80 MB that live (docs/operations.md).
 * glibc likewise keeps eight arenas a core for what is freed.
 */
const serviceNodeOptions = '--max-semi-space-size=8 --max-old-space-size=1024';

const common = (wiring: Wiring, name: string, port: number): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
  NODE_ENV: 'development',
  MALLOC_ARENA_MAX: '2',
  NODE_OPTIONS: [serviceNodeOptions, wiring.nodeOptions ?? ''].join(' ').trim(),
  TZ: 'UTC',
  INSTANCE: `${name}-1`,
  LOG_LEVEL: wiring.logLevel,
  HTTP_HOST: '127.0.0.1',
  HTTP_PORT: String(port),
  DATABASE_URL: wiring.databaseUrl,
  KAFKA_BOOTSTRAP: wiring.bootstrap.join(','),
  AUTH_ISSUER: wiring.issuer.issuer,
  AUTH_JWKS_URL: wiring.issuer.jwksUrl,
  AUTH_AUDIENCE: wiring.audience,
});

const client = (wiring: Wiring, clientId: ClientId): NodeJS.ProcessEnv => ({
  CONSENT_URL: wiring.consentUrl,
  TOKEN_URL: wiring.issuer.tokenUrl,
  CLIENT_ID: clientId,
  CLIENT_SECRET: wiring.secrets.clientSecret(clientId),
});

export const consentEnvironment = (wiring: Wiring, port: number): NodeJS.ProcessEnv => ({
  ...common(wiring, 'consent', port),
  OPS_URL: wiring.opsUrl,
  SUBJECT_HASH_KEYS: wiring.secrets.subjectHashKeys,
  IDENTIFIER_KEYS: wiring.secrets.identifierKeys,
  AUDIENCE_KEYS: JSON.stringify(wiring.secrets.audienceKeys),
  SHARE_KEYS: JSON.stringify(wiring.secrets.shareKeys),
  LEDGER_KEYS: wiring.secrets.ledgerKey,
  LEDGER_CHECKPOINT_DIR: `${wiring.runDirectory}/ledger`,
  RECEIPT_KEYS: wiring.secrets.receiptKeys,
  RELAY: 'on',
  API: 'on',
});

export function decisionsEnvironment(wiring: Wiring, port: number, recipients: readonly string[]): NodeJS.ProcessEnv {
  const { CONSENT_URL, TOKEN_URL, CLIENT_ID, CLIENT_SECRET } = client(wiring, 'decisions');
  const {
    LEDGER_KEYS: _log,
    LEDGER_CHECKPOINT_DIR: _directory,
    RECEIPT_KEYS: _receipts,
    ...keys
  } = consentEnvironment(wiring, port);
  const gate = { controller: wiring.controller, recipients, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  return {
    ...keys,
    ...{ INSTANCE: 'decisions-1', RELAY: 'off', API: 'off', CONSENT_URL, TOKEN_URL },
    DECISIONS: JSON.stringify([{ ...gate, directory: `${wiring.runDirectory}/gate-decisions` }]),
  };
}

export const opsEnvironment = (wiring: Wiring, port: number): NodeJS.ProcessEnv => ({
  ...common(wiring, 'ops', port),
  ...client(wiring, 'ops'),
  CONTROLLER: wiring.controller,
  CONNECTOR_URLS: JSON.stringify(wiring.connectorUrls),
  CONSOLE_URL: wiring.opsUrl,
  OIDC_DISCOVERY_URL: wiring.issuer.discoveryUrl,
  OIDC_CLIENT_ID: consoleClientId,
  OIDC_CLIENT_SECRET: wiring.secrets.clientSecret(consoleClientId),
  ...(wiring.demoWorld ? { DEMO_WORLD_URL: wiring.demoWorld.url, DEMO_WORLD_TOKEN: wiring.demoWorld.token } : {}),
  ...(wiring.canaries
    ? {
        CANARIES: JSON.stringify(starterCanaries),
        CANARY_CLIENT_ID: 'canary',
        CANARY_CLIENT_SECRET: wiring.secrets.clientSecret('canary'),
      }
    : {}),
});

const canaryOf = (purpose: string, recipient: string, fields: object) => ({
  purpose,
  notice: `${starterNotice.id}@${starterNotice.version}`,
  email: `canary.${recipient}@example.org`,
  phone: '+33199009999',
  fields,
});

/** The contract servers are nobody's partners, so their canaries need no audience of their own. */
const starterCanaries = {
  'hubspot-crm': canaryOf('email-marketing', 'hubspot-crm', { plan: 'canary' }),
  'segment-analytics': canaryOf('product-analytics', 'segment-analytics', { event: 'Canary' }),
  'meta-ads': canaryOf('personalised-ads', 'meta-ads', { segment: 'canary' }),
};

const recipientSettings = {
  'crm-connector': (wiring: Wiring) => ({
    id: 'hubspot-crm',
    partner: 'hubspot',
    settings: {
      baseUrl: wiring.partners.hubspot.url,
      token: partnerCredentials.hubspotToken,
      subscriptions: { 'email-marketing': 1001, personalisation: 1002 },
    },
  }),
  'analytics-connector': (wiring: Wiring) => ({
    id: 'segment-analytics',
    partner: 'segment',
    settings: {
      trackUrl: wiring.partners.segment.url,
      apiUrl: wiring.partners.segment.url,
      writeKey: partnerCredentials.segmentWriteKey,
      token: partnerCredentials.segmentPublicApiToken,
      categories: { 'product-analytics': 'Analytics', personalisation: 'Personalisation' },
    },
  }),
  'ad-partner-connector': (wiring: Wiring) => ({
    id: 'meta-ads',
    partner: 'meta-custom-audiences',
    settings: {
      baseUrl: wiring.partners.meta.url,
      token: partnerCredentials.metaAccessToken,
      audiences: { 'personalised-ads': partnerCredentials.metaAudience },
    },
  }),
} as const;

const audienceOf: Record<ConnectorName, string> = {
  'crm-connector': 'crm',
  'analytics-connector': 'analytics',
  'ad-partner-connector': 'ad-partner',
};

export function connectorEnvironment(wiring: Wiring, name: ConnectorName, port: number): NodeJS.ProcessEnv {
  const audience = audienceOf[name];
  const more = wiring.more
    .filter(({ connector }) => connector === name)
    .map(({ recipient: id, partner, settings, url }) => ({ id, partner, settings: settings(url) }));
  return {
    ...common(wiring, name, port),
    ...client(wiring, name),
    CONTROLLER: wiring.controller,
    AUDIENCE_KEYS: `${wiring.secrets.audienceKeys[audience]},${wiring.secrets.shareKeys[audience]}`,
    STORAGE_KEYS: wiring.secrets.storageKeys[audience],
    GATE_DIR: `${wiring.runDirectory}/gate-${name}`,
    GATE_NAME: `${name}-1`,
    EGRESS_DEVELOPMENT: 'true',
    RECIPIENTS: JSON.stringify([recipientSettings[name](wiring), ...more]),
  };
}
