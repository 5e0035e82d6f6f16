import { cloudEventHeaders, encodeEvent, gateStartId, subjectKey, topicSettings, topics } from '@entente/contracts';
import type { ControllerId, GateStartId, SubjectKey } from '@entente/contracts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createKafka, partitionOf } from '@entente/kafka';
import type { EventPublisher, Kafka } from '@entente/kafka';
import { createLogger } from '@entente/observability';
import { ownBroker, testDatabase, waitFor, type OwnBroker } from '@entente/test-support';
import { sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;
let publisher: EventPublisher;
let kafka: Kafka;
// A broker of its own: another ledger's records on the same topics would look like a lost ledger (RST-4).
let own: OwnBroker;
const starts = ['a', 'b'].map((letter) => gateStartId(letter.repeat(12))) as [GateStartId, GateStartId];

beforeAll(async () => {
  own = await ownBroker();
  kafka = createKafka({
    clientId: 'gate-test',
    brokers: own.bootstrap,
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const admin = kafka.admin();
  await admin.ensureTopics(
    topicSettings.map(({ name, partitions }) => ({
      ...{ name, partitions, replicationFactor: 1 },
      config: { 'message.timestamp.type': 'LogAppendTime' },
    })),
  );
  await admin.close();
  consent = await startConsent(await testDatabase('gates'), {
    background: true,
    env: { RELAY: 'on' },
    bootstrap: own.bootstrap,
  });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  publisher = kafka.publisher();
  // Until the service reads the topic's end, confirmations pass it by: send one until it has an effect.
  await plantGates(starts[0]);
  await waitFor(
    async () => {
      const { body } = await consent.post('/v1/withdrawals', { subjectId: 'warm-up' });
      await confirm(starts[0], subjectKey(String(body['subjectKey'])), 1);
      return (await waiting('warm-up')).gates.confirmed === 1;
    },
    { what: 'confirmations are read', timeoutMs: 60_000 },
  );
}, 90_000);
afterAll(async () => {
  await kafka?.close();
  await consent?.stop();
  await own?.stop();
});

async function plantGates(...ids: GateStartId[]): Promise<void> {
  await consent.pool.query('DELETE FROM gate');
  for (const id of ids)
    await consent.pool.query(
      `INSERT INTO gate (start_id, gate, controller, recipients) VALUES ($1, 'crm-1', 'acme', '[]')`,
      [id],
    );
}

async function confirm(start: GateStartId, subject: SubjectKey, version: number): Promise<void> {
  const type = 'org.entente.gate.confirmed.v1';
  const results = await publisher.publish([
    {
      topic: topics.gates,
      partition: partitionOf('crm-1'),
      key: Buffer.from('crm-1'),
      value: encodeEvent(type, {
        ...{ start, gate: 'crm-1', controller: 'acme' as ControllerId, recipients: [] },
        confirmed: [{ subjectKey: subject, version, closedAt: '2027-01-01T00:00:00Z' }],
      }),
      headers: cloudEventHeaders({ id: 'x', source: 'urn:test', type, subject: 'crm-1', time: '2027-01-01T00:00:00Z' }),
    },
  ]);
  expect(results).toMatchObject([{ ok: true }]);
}

const waiting = async (subjectId: string) => {
  const { body } = await consent.post('/v1/withdrawals?wait=gates', { subjectId });
  return body as unknown as {
    subjectKey: string;
    version: number;
    gates: { confirmed: number; expired: number; waitedMs: number };
  };
};
async function keyOf(subjectId: string): Promise<SubjectKey> {
  const { body } = await consent.post('/v1/subject-keys', { subjectIds: [subjectId] });
  return subjectKey((body['subjects'] as unknown as { subjectKey: string }[])[0]!.subjectKey);
}

describe('GATE-6 wait=gates', () => {
  test('no gate: the answer comes at once', async () => {
    await plantGates();
    expect((await waiting('nobody-listens')).gates).toMatchObject({ confirmed: 0, expired: 0 });
  });

  test('the answer comes when every gate of this controller has confirmed', async () => {
    await plantGates(...starts);
    await consent.pool.query(
      `INSERT INTO gate (start_id, gate, controller, recipients) VALUES ('cccccccccccc', 'x', 'other-brand', '[]')`,
    );
    const key = await keyOf('all-confirm');
    let answered = false;
    const answer = waiting('all-confirm').finally(() => (answered = true));
    await confirm(starts[0], key, 1);
    expect(answered).toBe(false);
    await confirm(starts[1], key, 1);
    const { gates } = await answer;
    expect(gates).toMatchObject({ confirmed: 2, expired: 0 });
    expect(gates.waitedMs).toBeLessThan(1_900);
  });

  test('after a loss of newest commits the table may lack open gates: no answer before their leases have run out (RST-1)', async () => {
    await plantGates(starts[0]);
    await consent.pool.query('UPDATE incarnation SET raised_at = clock_timestamp()');
    const key = await keyOf('after-a-loss');
    const answer = waiting('after-a-loss');
    await confirm(starts[0], key, 1);
    const { gates } = await answer;
    expect(gates).toMatchObject({ confirmed: 1, expired: 0 });
    expect(gates.waitedMs).toBeGreaterThanOrEqual(2_000);
    await plantGates();
    expect((await waiting('long-after')).gates.waitedMs).toBeLessThan(1_000);
  });

  test('a gate that does not confirm holds the answer until its lease has run out, and no longer', async () => {
    await plantGates(...starts);
    const key = await keyOf('one-dead');
    const answer = waiting('one-dead');
    await confirm(starts[0], key, 1);
    const { gates } = await answer;
    expect(gates).toMatchObject({ confirmed: 1, expired: 1 });
    expect(gates.waitedMs).toBeGreaterThanOrEqual(2_000);
    expect(gates.waitedMs).toBeLessThan(2_300);
  });
});

describe('the whole way out', () => {
  test('a withdrawal stands on both logs', async () => {
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'to-kafka' });
    const partition = partitionOf(String(body['subjectKey']));
    const admin = kafka.admin();
    for (const topic of [topics.revocations, topics.changes])
      await waitFor(
        async () => {
          const { low, high } = (await admin.offsets(topic)).get(partition)!;
          const records = await kafka.readRange(topic, partition, low, high);
          return records.some(({ headers }) => `chg_${headers['ce_id']}` === body['changeId']);
        },
        { what: `the change on ${topic}`, timeoutMs: 20_000 },
      );
    await admin.close();
  }, 50_000);
});
