import { ConfigError, loadConfig } from '@entente/config';
import { describe, expect, test } from '@jest/globals';
import { ConsentConfig } from './config.ts';

const key = (kid: string) => `${kid}:${Buffer.alloc(32, 7).toString('base64url')}`;
const good = {
  DATABASE_URL: 'postgres://localhost/x',
  KAFKA_BOOTSTRAP: 'localhost:9092,localhost:9093',
  AUTH_ISSUER: 'https://login.example',
  AUTH_JWKS_URL: 'https://login.example/jwks.json',
  SUBJECT_HASH_KEYS: key('1'),
  IDENTIFIER_KEYS: key('k1'),
  AUDIENCE_KEYS: JSON.stringify({ crm: key('k1') }),
};

function faultsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(ConsentConfig, env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(({ variable }) => variable);
  }
}

describe('the environment', () => {
  test('a good one is read', () => {
    expect(loadConfig(ConsentConfig, good)).toMatchObject({
      relay: 'on',
      kafkaBootstrap: ['localhost:9092', 'localhost:9093'],
    });
  });

  test('what is missing is told at once', () => {
    expect(faultsOf({}).sort()).toEqual(Object.keys(good).sort());
  });

  test.each([
    [{ SUBJECT_HASH_KEYS: '1:short' }, 'SUBJECT_HASH_KEYS'],
    [{ SUBJECT_HASH_KEYS: `${key('1')},${key('1')}` }, 'SUBJECT_HASH_KEYS'],
    [{ IDENTIFIER_KEYS: 'k1' }, 'IDENTIFIER_KEYS'],
    [{ AUDIENCE_KEYS: '{"crm":"k1:x"}' }, 'AUDIENCE_KEYS'],
    [{ AUDIENCE_KEYS: 'crm' }, 'AUDIENCE_KEYS'],
    [{ RELAY: 'off', API: 'off' }, 'API'],
    [{ RELAY: 'maybe' }, 'RELAY'],
    [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL'],
    [{ HTTP_PORT: '70000' }, 'HTTP_PORT'],
  ])('%p is refused', (more, variable) => {
    expect(faultsOf({ ...good, ...more })).toEqual([variable]);
  });

  test('no fault shows a key', () => {
    const secret = 'super-secret-value';
    expect(() => loadConfig(ConsentConfig, { ...good, SUBJECT_HASH_KEYS: `1:${secret}` })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    );
  });
});
