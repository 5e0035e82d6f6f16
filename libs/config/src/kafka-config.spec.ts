import { describe, expect, test } from '@jest/globals';
import { localhostCertificate } from '@entente/test-support';
import { generateKeyPairSync } from 'node:crypto';
import { ConfigError, KafkaConfig, loadConfig } from './index.ts';

const { cert, key } = localhostCertificate;
const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const brokers = { KAFKA_BOOTSTRAP: 'kafka-1:9093' };
const login = { KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'crm', KAFKA_SASL_PASSWORD: 'hunter2' };

function faultsOf(env: NodeJS.ProcessEnv): ConfigError {
  try {
    loadConfig(KafkaConfig, { ...brokers, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('these settings were taken');
}

describe('how the brokers are reached', () => {
  test('in the clear and as nobody unless asked otherwise', () => {
    expect(loadConfig(KafkaConfig, brokers).kafka).toEqual({ brokers: ['kafka-1:9093'] });
  });

  test('over TLS with an authority and a certificate of our own, and logged in', () => {
    const tls = { KAFKA_TLS: 'true', KAFKA_TLS_CA: cert, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key };
    expect(loadConfig(KafkaConfig, { ...brokers, ...tls, ...login }).kafka).toEqual({
      brokers: ['kafka-1:9093'],
      ssl: { ca: cert, cert, key },
      sasl: { mechanism: 'scram-sha-512', username: 'crm', password: 'hunter2' },
    });
  });

  test('what is wrong is said at once, without a value', () => {
    const error = faultsOf({ KAFKA_TLS_CA: 'hunter2', KAFKA_TLS_KEY: 'hunter2', KAFKA_SASL_PASSWORD: 'hunter2' });
    expect(error.faults.map(({ variable }) => variable)).toEqual([
      'KAFKA_TLS',
      'KAFKA_TLS_CA',
      'KAFKA_TLS_CERT',
      'KAFKA_TLS_KEY',
      'KAFKA_SASL_MECHANISM',
      'KAFKA_SASL_USERNAME',
    ]);
    expect(error.message).not.toContain('hunter2');
  });

  test.each([
    [
      'a key that is not the certificate’s',
      { KAFKA_TLS: 'true', KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: otherKey },
      'KAFKA_TLS_KEY',
      'must be the key of KAFKA_TLS_CERT',
    ],
    [
      'a certificate without its key',
      { KAFKA_TLS: 'true', KAFKA_TLS_CERT: cert },
      'KAFKA_TLS_KEY',
      'is required where KAFKA_TLS_CERT is given',
    ],
    [
      'an unknown mechanism',
      { ...login, KAFKA_SASL_MECHANISM: 'gssapi' },
      'KAFKA_SASL_MECHANISM',
      'must be one of the following values: plain, scram-sha-256, scram-sha-512',
    ],
    [
      'a password in the clear in production',
      { ...login, KAFKA_SASL_MECHANISM: 'plain' },
      'KAFKA_SASL_MECHANISM',
      'must not be plain without KAFKA_TLS: the password would cross the network as it is',
    ],
    [
      'a file that is not there',
      { KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: '/nowhere/ca.pem' },
      'KAFKA_TLS_CA',
      'the file that KAFKA_TLS_CA_FILE names cannot be read (ENOENT)',
    ],
  ])('%s is refused', (_, env, variable, rule) => {
    expect(faultsOf(env).faults).toMatchObject([{ variable, rule }]);
  });
});
