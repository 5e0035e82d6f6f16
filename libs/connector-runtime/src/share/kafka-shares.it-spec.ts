import {
  cloudEventHeaders,
  controllerId,
  encodeEvent,
  purposeId,
  recipientId,
  seal,
  topics,
  type KeyRing,
  type ShareRequested,
} from '@entente/contracts';
import { partitionOf, tpKey, type InRecord, type TP } from '@entente/kafka';
import { createLogger, systemClock } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { definePartner } from '../partner/definition.ts';
import { shareInOneRequest } from '../partner/gated-share.ts';
import { IdentifierVault } from '../store/identifier-vault.ts';
import { storedPositions } from '../store/log-positions.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { recipient } from '../testing/test-catalogue.ts';
import { controller, newPerson, type TestPerson } from '../testing/test-people.ts';
import { KafkaShares } from './kafka-shares.ts';
import { ShareIntake } from './share-intake.ts';

const mail = purposeId('mail');
const type = 'org.entente.sharing.requested.v1';
const ring = (kid: string): KeyRing => [{ kid, key: new Uint8Array(randomBytes(32)) }];
const audienceKeys = ring('a1');

class AddressSettings {
  url = '';
}

/** What reached the partner: identifiers and fields, in order. */
const left: unknown[] = [];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => {
    left.push(...(JSON.parse(body) as unknown[]));
    response.end('{}');
  });
});
const partner = definePartner<AddressSettings>({
  partner: 'address',
  kind: 'crm',
  settings: AddressSettings,
  identifiers: ['email'],
  limits: { shareBatch: 10, revokeBatch: 10, concurrency: 2, calls: 100_000, perMs: 1_000 },
  documentedDelay: { en: 'none', fr: 'aucun' },
  shareBy: 'recipient',
  share: (batch, { egress, settings, signal }) =>
    shareInOneRequest(
      egress,
      batch,
      (items) => ({
        ...{ method: 'POST', url: new URL(settings.url), headers: {} },
        body: JSON.stringify(items.map(({ identifiers, fields }) => ({ identifiers, fields }))),
      }),
      (_answer, items) => items.map(() => ({ kind: 'applied' })),
      signal,
    ),
  revoke: (batch) => Promise.resolve(batch.map(() => ({ kind: 'applied' }))),
});

let database: TestDatabase;
let runtime: RuntimeUnderTest;
let shares: KafkaShares;
let offset = 0n;

const planted = (): TestPerson => newPerson((name) => ({ email: `${name}@example.org` }));
const agreed = async (): Promise<TestPerson> => {
  const person = planted();
  await runtime.change(person, 1, [mail]);
  return person;
};
const place = ({ subjectKey }: TestPerson): TP => ({
  topic: topics.shareRequests,
  partition: partitionOf(subjectKey),
});

/** A record as a platform team would write it. */
async function asking(
  person: TestPerson,
  payload: unknown,
  more: Partial<ShareRequested> = {},
  keys: KeyRing = audienceKeys,
): Promise<InRecord> {
  const { subjectKey } = person;
  const sealed = await seal(keys, payload);
  const named = { controller, subjectKey, purpose: mail, recipient, requestId: randomUUID(), payload: sealed };
  const time = new Date(systemClock.now()).toISOString();
  const headers = cloudEventHeaders({ id: randomUUID(), source: 'urn:team', type, subject: subjectKey, time });
  const value = encodeEvent(type, { ...named, ...more });
  return {
    ...place(person),
    ...{ offset: offset++, timestamp: systemClock.now(), key: Buffer.from(subjectKey), value, headers },
  };
}

const nextAt = async (tp: TP): Promise<bigint | undefined> =>
  (await storedPositions(runtime.pool, [tp])).get(tpKey(tp));
const quarantined = async ({ offset: at }: InRecord): Promise<string | undefined> =>
  (await runtime.pool.query<{ reason: string }>('SELECT reason FROM quarantine WHERE "offset" = $1', [at.toString()]))
    .rows[0]?.reason;

beforeAll(async () => {
  database = await testDatabase('kafka-shares');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
  runtime = await RuntimeUnderTest.start({
    ...{ databaseUrl: database.url, definition: partner, settings },
    ...{ purposes: [mail], fields: ['plan'] },
  });
  shares = new KafkaShares({
    ...{ pool: runtime.pool, controller, vault: new IdentifierVault(ring('s1'), audienceKeys) },
    intake: new ShareIntake({
      pipelines: new Map([[recipient, runtime.pipeline]]),
      recipients: new Map([[recipient, runtime.recipient]]),
      catalogue: () => runtime.gate.catalogue,
    }),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
});
afterAll(async () => {
  await runtime.stop();
  server.close();
  await database.drop();
});
beforeEach(() => {
  left.length = 0;
});

describe('SEAL-2: shares that ask over Kafka', () => {
  test('SEAL-2 what is sealed for this audience leaves with its own identifiers and the purpose’s fields alone', async () => {
    const person = await agreed();
    const identifiers = { email: 'else@example.org' };
    const record = await asking(person, { identifiers, fields: { plan: 'plus', salary: 7 } });
    await shares.receive(place(person), [record]);
    expect(left).toEqual([{ identifiers, fields: { plan: 'plus' } }]);
    expect(await nextAt(place(person))).toBe(record.offset + 1n);
  });

  test('without identifiers those known of the person are taken; without a grant nothing leaves', async () => {
    const [person, nobody] = [await agreed(), planted()];
    await runtime.knownToConsent(person);
    for (const each of [person, nobody])
      await shares.receive(place(each), [await asking(each, { fields: { plan: 'free' } })]);
    expect(left).toEqual([{ identifiers: person.identifiers, fields: { plan: 'free' } }]);
  });

  test('SEAL-2 what no key of this audience opens, or is no share, is quarantined with its place and stalls nobody', async () => {
    const person = await agreed();
    const { identifiers } = person;
    const records = [
      await asking(person, { identifiers, fields: {} }, {}, ring('a1')),
      await asking(person, { identifiers }),
      await asking(person, { identifiers: { email: 7 }, fields: {} }),
      await asking(person, { identifiers, fields: { plan: 'x'.repeat(20_000) } }),
      await asking(person, { identifiers, fields: { plan: 'plus' } }),
    ];
    await shares.receive(place(person), records);
    expect(left).toEqual([{ identifiers, fields: { plan: 'plus' } }]);
    const reasons = await Promise.all(records.map(quarantined));
    expect(reasons.map((reason) => reason !== undefined)).toEqual([true, true, true, true, false]);
    expect(await nextAt(place(person))).toBe((records.at(-1)?.offset ?? 0n) + 1n);
  });

  test('what is for another controller or another service is passed over', async () => {
    const person = await agreed();
    const payload = { identifiers: person.identifiers, fields: {} };
    const records = [
      await asking(person, payload, { controller: controllerId('other') }),
      await asking(person, payload, { recipient: recipientId('elsewhere') }),
    ];
    await shares.receive(place(person), records);
    expect([left, ...(await Promise.all(records.map(quarantined)))]).toEqual([[], undefined, undefined]);
    expect(await nextAt(place(person))).toBe((records.at(-1)?.offset ?? 0n) + 1n);
  });

  test('GATE-5: one whose version the gate has not reached waits, and its record is not read until it has ended', async () => {
    const person = await agreed();
    const payload = { identifiers: person.identifiers, fields: {} };
    const record = await asking(person, payload, { atLeastVersion: 2 });
    const received = shares.receive(place(person), [record]);
    await waitFor(() => runtime.pipeline.load.held === 1, { what: 'the share that waits' });
    expect(await nextAt(place(person))).not.toBe(record.offset + 1n);
    await runtime.change(person, 2, [mail]);
    await received;
    expect(left).toHaveLength(1);
    expect(await nextAt(place(person))).toBe(record.offset + 1n);
  });

  test('what a stopping service had not sent comes again: its position stays', async () => {
    const person = await agreed();
    runtime.gate.stale = true;
    const record = await asking(person, { identifiers: person.identifiers, fields: {} });
    const received = shares.receive(place(person), [record]);
    const refused = expect(received).rejects.toThrow('come again');
    await waitFor(() => runtime.pipeline.load.held === 1, { what: 'the share that waits' });
    await runtime.pipeline.stop();
    await refused;
    expect(left).toEqual([]);
    expect(await nextAt(place(person))).not.toBe(record.offset + 1n);
  });
});
