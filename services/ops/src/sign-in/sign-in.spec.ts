import { ConfigError, loadConfig } from '@entente/config';
import { describe, expect, test } from '@jest/globals';
import { OpsConfig } from '../config.ts';
import { Attempts, localPage } from './attempts.ts';
import { cookieNames, setCookie } from './cookies.ts';
import { roleFrom } from './roles.ts';

describe('after signing in a person lands in the console and nowhere else', () => {
  test.each([
    [undefined, '/console/'],
    ['/console/stuck?recipient=meta-ads', '/console/stuck?recipient=meta-ads'],
    ['/console/withdrawals/chg_1', '/console/withdrawals/chg_1'],
    ['https://elsewhere.example/', '/console/'],
    ['//elsewhere.example/console/', '/console/'],
    ['/console.elsewhere.example/', '/console/'],
    ['/console/../v1/audit', '/console/'],
    ['/console/\\elsewhere', '/console/'],
    ['/console/\r\nset-cookie:x', '/console/'],
  ])('%j', (to, expected) => expect(localPage(to)).toBe(expected));
});

describe('a role is the highest that the provider’s claim gives', () => {
  const mapping = { staff: 'viewer', 'consent-team': 'operator', dpo: 'admin' };
  test.each([
    ['staff', 'viewer'],
    [['staff', 'consent-team'], 'operator'],
    [['dpo', 'staff'], 'admin'],
    [['somebody'], null],
    [undefined, null],
    [{ staff: true }, null],
    ['toString', null],
  ])('%j', (claim, role) => expect(roleFrom(claim, mapping)).toBe(role));
});

test('an attempt opens with the secret it was sealed with alone', async () => {
  const attempt = new Attempts('one secret').begin('/console/stuck');
  const sealed = await new Attempts('one secret').seal(attempt);
  expect(await new Attempts('one secret').open(sealed)).toEqual(attempt);
  expect(await new Attempts('another').open(sealed)).toBeNull();
  expect(sealed).not.toContain(attempt.verifier);
});

test('over TLS the cookies are bound to this host', () => {
  const names = cookieNames('https://ops.example');
  const cookie = setCookie(names, { name: names.session, value: 'x', sameSite: 'Strict', maxAgeS: 60 });
  expect(cookie).toBe('__Host-entente-session=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure');
});

describe('settings', () => {
  const env = {
    DATABASE_URL: 'postgres://a@b/c',
    KAFKA_BOOTSTRAP: 'k:9092',
    AUTH_ISSUER: 'https://login.example',
    AUTH_JWKS_URL: 'https://login.example/jwks.json',
    CONTROLLER: 'acme',
    CONSENT_URL: 'http://consent:8080',
    TOKEN_URL: 'https://login.example/token',
    CLIENT_ID: 'ops',
    CLIENT_SECRET: 's',
  };
  const faultsOf = (more: Record<string, string>): string[] => {
    try {
      loadConfig(OpsConfig, { ...env, ...more });
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.message.split('\n').flatMap((line) => /[A-Z]+(?:_[A-Z]+)+/.exec(line)?.[0] ?? []);
    }
  };
  test.each<[string, Record<string, string>, string | null]>([
    ['no sign-in at all', {}, null],
    ['half of it', { CONSOLE_URL: 'https://ops.example' }, 'OIDC_DISCOVERY_URL'],
    [
      'plain HTTP in production',
      {
        CONSOLE_URL: 'http://ops.example',
        OIDC_DISCOVERY_URL: 'https://login.example/d',
        OIDC_CLIENT_ID: 'c',
        OIDC_CLIENT_SECRET: 's',
      },
      'CONSOLE_URL',
    ],
    ['a role we do not have', { CONSOLE_ROLES: '{"a":"root"}' }, 'CONSOLE_ROLES'],
    ['a connector without an address', { CONNECTOR_URLS: '{"meta-ads":"nowhere"}' }, 'CONNECTOR_URLS'],
  ])('%s', (_name, more, variable) => {
    const faults = faultsOf(more);
    if (variable === null) expect(faults).toEqual([]);
    else expect(faults).toContain(variable);
  });
});
