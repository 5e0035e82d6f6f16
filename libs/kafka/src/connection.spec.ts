import { expect, test } from '@jest/globals';
import { localhostCertificate } from '@entente/test-support';
import { createKafka, type KafkaOptions } from './index.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const { cert, key } = localhostCertificate;
const open = (options: Pick<KafkaOptions, 'ssl' | 'sasl'>, brokers = ['localhost:1']) =>
  createKafka({ clientId: 'host', brokers, log, ...options });

test('good settings of a host pass; nothing is connected', async () => {
  const sasl = { mechanism: 'scram-sha-512', username: 'host', password: 'p' } as const;
  await open({ ssl: { ca: cert, cert, key }, sasl }).close();
  await open({ ssl: {} }).close();
});

test('everything that is wrong is said at once, and no value of it', () => {
  const bad = {
    ssl: { ca: 'hunter2', cert },
    sasl: { mechanism: 'gssapi' as 'plain', username: '', password: '' },
  };
  expect(() => open(bad, [])).toThrow(
    'kafka connection: brokers must name at least one; ssl.ca must hold certificates in PEM; ssl.cert and ssl.key go together; ' +
      'sasl.mechanism must be one of plain, scram-sha-256, scram-sha-512; sasl.username must not be empty; sasl.password must not be empty',
  );
  expect(() => open({ ssl: { cert, key: 'hunter2' } })).toThrow('ssl.cert and ssl.key must be a certificate');
});
