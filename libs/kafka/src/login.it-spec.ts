import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { localhostCertificate, ownBroker, waitFor, type OwnBroker } from '@entente/test-support';
import { randomUUID } from 'node:crypto';
import { createKafka, type Kafka, type KafkaOptions } from './index.ts';

/** A machine of two cores that builds and tests other things too. */
jest.setTimeout(60_000);

const password = `secret-${randomUUID()}`;
const ssl = { ca: localhostCertificate.cert };
const sasl = { mechanism: 'plain', username: 'entente', password } as const;
const open: Kafka[] = [];
let own: OwnBroker;
let said: unknown[] = [];

beforeAll(async () => {
  const { cert: certificate, key } = localhostCertificate;
  own = await ownBroker({ login: { certificate, key, username: sasl.username, password } });
}, 60_000);

afterAll(async () => {
  await Promise.all(open.map((kafka) => kafka.close()));
  await own.stop();
}, 30_000);

function connecting(how: Pick<KafkaOptions, 'ssl' | 'sasl'>): Kafka {
  said = [];
  const keep = (level: string) => (fields: object, message: string) => void said.push({ level, message, ...fields });
  const log = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
  const brokers = [`127.0.0.1:${own.broker.loginPort ?? 0}`];
  const kafka = createKafka({ clientId: 'login', brokers, log, ...how });
  open.push(kafka);
  return kafka;
}

const record = (topic: string) => ({ topic, partition: 0, key: null, value: Buffer.from('one') });

/** Everything logged, causes of errors included. */
const everything = (): string =>
  JSON.stringify(said, (_key, value: unknown) =>
    value instanceof Error || (typeof value === 'object' && value !== null && 'stack' in value)
      ? Object.fromEntries(
          ['name', 'message', 'cause'].map((name) => [name, (value as unknown as Record<string, unknown>)[name]]),
        )
      : value,
  );

test('over TLS and logged in: topics, a publish, a group, a read of the leader', async () => {
  const kafka = connecting({ ssl, sasl });
  const topic = `login.${randomUUID()}`;
  await kafka.admin().ensureTopics([{ name: topic, partitions: 1, replicationFactor: 1, config: {} }]);
  expect(await kafka.publisher().publish([record(topic)])).toMatchObject([{ ok: true }]);
  const received: string[] = [];
  const source = kafka.source();
  await source.start({
    groupId: `login-${randomUUID()}`,
    topics: [topic],
    onRecords: (_tp, records) => {
      received.push(...records.map(({ value }) => String(value)));
      return Promise.resolve();
    },
  });
  await waitFor(() => received.length > 0, { what: 'the record' });
  expect(received).toEqual(['one']);
  expect(await kafka.readRange(topic, 0, 0n, 1n)).toHaveLength(1);
  await source.stop(1000);
  expect(everything()).not.toContain(password);
});

const wrong = `not-${randomUUID()}`;
test.each([
  ['a wrong password', { ssl, sasl: { ...sasl, password: wrong } }, 'not-authorised', /Authentication failed/],
  ['a broker nobody vouches for', { ssl: {}, sasl }, 'untrusted', /self[- ]signed certificate/],
] as const)('%s is named as what it is; no secret is logged', async (_, how, code, message) => {
  const kafka = connecting(how);
  const fault = { code, permanent: true, message: expect.stringMatching(message) };
  await expect(kafka.admin().describeCluster()).rejects.toMatchObject(fault);
  const publisher = kafka.publisher();
  let told: unknown;
  // A publish may connect for a second: on a busy machine that can end before the broker has answered.
  const answered = async () => {
    const [result] = await publisher.publish([record('any')]);
    told = result;
    return result?.ok === false && (result.error as { code?: string }).code !== 'timeout';
  };
  await waitFor(answered, { timeoutMs: 20_000, what: 'what the broker says to a producer' });
  expect(told).toMatchObject({ ok: false, error: fault });
  expect(everything()).not.toContain(password);
  expect(everything()).not.toContain(wrong);
});

test('a mechanism the broker does not take is named', async () => {
  const kafka = connecting({ ssl, sasl: { ...sasl, mechanism: 'scram-sha-256' } });
  const fault = { code: 'not-authorised', message: expect.stringMatching(/requested SASL mechanism/) };
  await expect(kafka.admin().describeCluster()).rejects.toMatchObject(fault);
});

test('a reader that cannot log in does not begin: its start fails with the reason, said once', async () => {
  const kafka = connecting({ ssl, sasl: { ...sasl, password: wrong } });
  const source = kafka.source();
  const fatal: unknown[] = [];
  source.onFatal((error) => fatal.push(error));
  const start = { groupId: `login-${randomUUID()}`, topics: ['any'], onRecords: () => Promise.resolve() };
  await expect(source.start(start)).rejects.toMatchObject({ code: 'not-authorised' });
  expect(fatal).toMatchObject([{ code: 'not-authorised' }]);
  expect(said.filter((line) => (line as { message: string }).message.startsWith('kafka consumer lost'))).toHaveLength(
    1,
  );
  expect(everything()).not.toContain(wrong);
});
