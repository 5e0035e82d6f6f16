import { describe, expect, test } from '@jest/globals';
import { IsNotEmpty, IsUrl } from 'class-validator';
import { definePartner } from '../partner/definition.ts';
import { loadConnectorConfig } from './config.ts';

class AcmeSettings {
  @IsUrl({ require_tld: false })
  baseUrl = 'https://api.acme.example';

  @IsNotEmpty()
  token!: string;
}

const acme = definePartner<AcmeSettings>({
  partner: 'acme',
  kind: 'crm',
  settings: AcmeSettings,
  identifiers: ['email'],
  limits: { shareBatch: 1, revokeBatch: 1, concurrency: 1, calls: 1, perMs: 1_000 },
  documentedDelay: { en: 'synchronous', fr: 'immédiat' },
  shareBy: 'recipient',
  share: () => Promise.resolve([]),
  revoke: () => Promise.resolve([]),
});

const ring = `k1:${Buffer.alloc(32).toString('base64url')}`;
const environment = {
  DATABASE_URL: 'postgres://localhost/x',
  KAFKA_BOOTSTRAP: 'localhost:9092',
  AUTH_ISSUER: 'https://login.example',
  AUTH_JWKS_URL: 'https://login.example/jwks',
  INSTANCE: 'crm-1',
  CONTROLLER: 'acme',
  CONSENT_URL: 'https://consent.example',
  TOKEN_URL: 'https://login.example/token',
  CLIENT_ID: 'crm',
  CLIENT_SECRET: 's',
  AUDIENCE_KEYS: ring,
  STORAGE_KEYS: ring,
  GATE_DIR: '/var/lib/gate',
  GATE_NAME: 'crm-1',
};

/** What is printed when the service refuses to start, or null when it would start. */
function complaint(extra: NodeJS.ProcessEnv, settings: object = {}, recipient: object = {}): string | null {
  const recipients = [{ id: 'acme-crm', partner: 'acme', settings: { token: 'hush', ...settings }, ...recipient }];
  const printed: string[] = [];
  const exit = (): never => {
    throw new Error('exit');
  };
  try {
    const env = { ...environment, RECIPIENTS: JSON.stringify(recipients), ...extra };
    loadConnectorConfig([acme], env, (text) => void printed.push(text), exit);
    return null;
  } catch {
    return printed.join('\n');
  }
}

describe('a connector refuses to start', () => {
  test('not with a public partner over TLS', () => expect(complaint({})).toBeNull());

  test.each([
    ['http://api.acme.example', 'forbidden-scheme'],
    ['https://127.0.0.1', 'forbidden-address'],
    ['https://0x7f.1', 'forbidden-address'],
    ['https://169.254.169.254', 'forbidden-address'],
    ['https://10.20.0.1', 'forbidden-address'],
    ['https://u:hunter2@api.acme.example', 'forbidden-url'],
    ['https://api.acme.example:6379', 'forbidden-port'],
  ])('with a partner at %s: %s', (baseUrl, refusal) => {
    const text = complaint({}, { baseUrl });
    expect(text).toContain(`RECIPIENTS: 0.settings.baseUrl: the egress guard refuses it: ${refusal}`);
    expect(text).not.toMatch(/hunter2|hush/);
  });

  test('not with a self-hosted partner in a private network that is named', () => {
    expect(complaint({ EGRESS_PRIVATE_NETWORKS: '10.20.0.0/16' }, { baseUrl: 'https://10.20.0.1' })).toBeNull();
    expect(complaint({ EGRESS_PRIVATE_NETWORKS: '0.0.0.0/0' }, { baseUrl: 'https://127.0.0.1' })).toContain(
      'forbidden-address',
    );
    expect(complaint({ EGRESS_PRIVATE_NETWORKS: '10.20.0.0' })).toContain('must be networks written as');
  });

  test('with the development setting in production, and only there', () => {
    const local = { baseUrl: 'http://127.0.0.1:8101' };
    expect(complaint({ EGRESS_DEVELOPMENT: 'true' }, local)).toContain('EGRESS_DEVELOPMENT: must be false unless');
    expect(complaint({ EGRESS_DEVELOPMENT: 'true', NODE_ENV: 'development' }, local)).toBeNull();
    expect(complaint({ NODE_ENV: 'development' }, local)).toContain('forbidden-scheme');
  });

  test('with extra hosts that are none', () => {
    expect(complaint({}, {}, { hosts: ['files.acme.example', '*.acme.example', 'eu.acme.example:8443'] })).toBeNull();
    expect(complaint({}, {}, { hosts: ['https://files.acme.example'] })).toContain('hosts: must be written as');
  });
});
