import { ConfigError, loadConfig } from '@entente/config';
import { newNoteKeys, newReceiptKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { ConsentConfig } from './config.ts';

const key = (kid: string) => `${kid}:${Buffer.alloc(32, 7).toString('base64url')}`;
const required = {
  DATABASE_URL: 'postgres://localhost/x',
  KAFKA_BOOTSTRAP: 'localhost:9092,localhost:9093',
  AUTH_ISSUER: 'https://login.example',
  AUTH_JWKS_URL: 'https://login.example/jwks.json',
  SUBJECT_HASH_KEYS: key('1'),
  IDENTIFIER_KEYS: key('k1'),
  AUDIENCE_KEYS: JSON.stringify({ crm: key('k1') }),
};
const provable = {
  LEDGER_KEYS: newNoteKeys('log.example').signer,
  RECEIPT_KEYS: JSON.stringify({ keys: [newReceiptKey()] }),
};
const good = { ...required, ...provable };

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
    expect(faultsOf({}).sort()).toEqual(Object.keys(required).sort());
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
    [{ LEDGER_KEYS: 'PRIVATE+KEY+x' }, 'LEDGER_KEYS'],
    [{ LEDGER_KEYS: newNoteKeys('log.example').verifier }, 'LEDGER_KEYS'],
    [{ LEDGER_CHECKPOINT_EVERY: '1ms' }, 'LEDGER_CHECKPOINT_EVERY'],
    [{ RECEIPT_KEYS: '{}' }, 'RECEIPT_KEYS'],
    [{ RECEIPT_PROFILES: '{"acme":{"nmae":"x"}}' }, 'RECEIPT_PROFILES'],
    [{ LEDGER_KEYS: '' }, 'LEDGER_KEYS'],
    [{ RECEIPT_KEYS: '' }, 'RECEIPT_KEYS'],
  ])('%p is refused', (more, variable) => {
    expect(faultsOf({ ...good, ...more })).toEqual([variable]);
  });

  test('outside production nothing has to be provable', () => {
    expect(faultsOf({ ...required, NODE_ENV: 'development' })).toEqual([]);
  });

  test('no fault shows a key', () => {
    const secret = 'super-secret-value';
    expect(() => loadConfig(ConsentConfig, { ...good, SUBJECT_HASH_KEYS: `1:${secret}` })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    );
  });
});
