import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  controllerId,
  counterOf,
  recipientId,
  purposeId,
  subjectKey,
  topics,
  topicSettings,
  verifyLedgerFile,
} from '@entente/contracts';
import { Gate } from '@entente/gate';
import { createKafka } from '@entente/kafka';
import type { Kafka } from '@entente/kafka';
import { createLogger, systemClock } from '@entente/observability';
import { createClient } from '@entente/postgres';
import { ownBroker, testDatabase, waitFor } from '@entente/test-support';
import type { OwnBroker, TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';
import { runRestore } from './run.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const ring = (kid: string) => `${kid}:${randomBytes(32).toString('base64url')}`;
const env = {
  RELAY: 'on',
  SUBJECT_HASH_KEYS: `1:${randomBytes(32).toString('base64url')}`,
  IDENTIFIER_KEYS: ring('id1'),
  AUDIENCE_KEYS: JSON.stringify({ crm: ring('crm1'), analytics: ring('an1'), 'ad-partner': ring('ad1') }),
};
const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const only = (subjectId: string, purpose: string) => ({
  ...grantAll(subjectId, { email: `${subjectId}@example.com` }),
  decisions: [{ purpose, decision: 'granted' }],
});

let own: OwnBroker;
let kafka: Kafka;
let database: TestDatabase;
/** The copy made before the losses, and what was made from it. */
const copies: string[] = [];
let consent: ConsentUnderTest;
let stopped = false;
let gate: Gate;
let directory: string;
let closeDoor: () => Promise<void>;
/** Answers of the gate about Ada since her withdrawal was answered. */
const answeredAboutAda = new Set<string>();
let watch: NodeJS.Timeout;
/** Versions answered in the history that was lost. */
const lost = new Map<string, { key: string; version: number }>();

const start = (url: string) =>
  startConsent(
    { url, drop: () => Promise.resolve() },
    { background: true, bootstrap: own.bootstrap, env, logLevel: 'silent' },
  );

/** A physical copy of the database's files, in the same cluster: the same system identifier and timeline. */
async function copied(url: string): Promise<string> {
  const name = `t_restore_${randomBytes(4).toString('hex')}`;
  const of = new URL(url).pathname.slice(1);
  const elsewhere = new URL(url);
  elsewhere.pathname = '/postgres';
  const client = createClient({ url: elsewhere.href, schema: 'public', name: 'copy' });
  await client.connect();
  await client.query(`CREATE DATABASE ${name} TEMPLATE ${of}`);
  await client.end();
  const copy = new URL(url);
  copy.pathname = `/${name}`;
  copies.push(copy.href);
  return copy.href;
}

async function published(of: ConsentUnderTest): Promise<void> {
  const left = `SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM ledger_pending) AS left`;
  await waitFor(async () => Number((await of.pool.query<{ left: number }>(left)).rows[0]?.left) === 0, {
    what: 'everything published and numbered',
    timeoutMs: 30_000,
  });
}

const statesOf = async (subjectId: string) => {
  const { body } = await consent.get(`/v1/subjects/${subjectId}/consents`);
  const purposes = body['purposes'] as unknown as { purpose: string; decision: string; effective: boolean }[];
  return {
    version: Number(body['version']),
    by: Object.fromEntries((purposes ?? []).map(({ purpose, decision }) => [purpose, decision])),
  };
};

const restored = (given: Partial<Parameters<typeof runRestore>[0]> = {}) =>
  runRestore({ config: consent.config, kafka, dryRun: false, replicas: [], clock: systemClock, log, ...given });

/** Retention has taken the beginning of both logs, up to everything that is in them. */
const forgetful = (): Kafka => ({
  ...{ publisher: kafka.publisher, source: kafka.source, close: () => Promise.resolve() },
  readRange: (...asked) => kafka.readRange(...asked),
  admin: () => {
    const admin = kafka.admin();
    const offsets = async (topic: string) =>
      new Map([...(await admin.offsets(topic))].map(([partition, { high }]) => [partition, { low: high, high }]));
    return { ...admin, offsets, close: () => admin.close() };
  },
});

const aboutAda = () =>
  gate.decide({
    subjectKey: subjectKey(lost.get('ada')?.key ?? ''),
    purpose: purposeId('analytics'),
    recipient: recipientId('segment'),
  });

beforeAll(async () => {
  own = await ownBroker();
  kafka = createKafka({ clientId: 'restore-test', brokers: own.bootstrap, log });
  await kafka.admin().ensureTopics(
    topicSettings.map(({ name, partitions }) => ({
      ...{ name, partitions, replicationFactor: 1, config: { 'message.timestamp.type': 'LogAppendTime' } },
    })),
  );
  database = await testDatabase('restore');
  directory = await mkdtemp(join(tmpdir(), 'restore-gate-'));
  consent = await start(database.url);
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  for (const person of ['ada', 'bob', 'dan', 'eve', 'ivy']) {
    const { body } = await consent.post('/v1/consents', grantAll(person, { email: `${person}@example.com` }), key());
    lost.set(person, { key: String(body['subjectKey']), version: Number(body['version']) });
  }
  await consent.post('/v1/withdrawals', { subjectId: 'dan' });

  // The gate lives through all of it; behind the door stands whichever consent service there is.
  const door = createServer((request, response) => {
    fetch(consent.url + request.url, { headers: { authorization: request.headers.authorization ?? '' } })
      .then(async (answer) => response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer())))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  closeDoor = () =>
    new Promise((resolve) => {
      door.closeAllConnections();
      door.close(() => resolve());
    });
  gate = await Gate.open({
    ...{ controller: controllerId('acme'), gate: 'restore-test', recipients: [recipientId('segment')], directory },
    ...{ kafka, clock: systemClock, log, consentUrl: `http://127.0.0.1:${(door.address() as AddressInfo).port}` },
    token: () => consent.token(['consent:read']),
  });
  await waitFor(() => aboutAda().kind === 'allow', { what: 'the gate allows', timeoutMs: 30_000 });
  await published(consent);
  await consent.stop();
  await copied(database.url);
  consent = await start(database.url);
}, 120_000);

afterAll(async () => {
  clearInterval(watch);
  await gate?.close();
  if (!stopped) await consent?.stop();
  await closeDoor?.();
  await kafka?.close();
  await own?.stop();
  await database?.drop();
  await rm(directory, { recursive: true, force: true });
  const admin = await testDatabase('restore_clean');
  const client = createClient({ url: admin.url, schema: 'public', name: 'clean' });
  await client.connect();
  for (const url of copies)
    await client.query(`DROP DATABASE IF EXISTS ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
  await client.end();
  await admin.drop();
}, 60_000);

describe('RST-4 an older copy of the database, with Kafka ahead of it', () => {
  test('what was answered after the copy goes out, and the copy takes the place of the database', async () => {
    const note = async (person: string, answer: Promise<{ status: number; body: Record<string, unknown> }>) => {
      const { status, body } = await answer;
      expect([person, Math.floor(status / 100)]).toEqual([person, 2]);
      lost.set(person, { key: String(body['subjectKey']), version: Number(body['version']) });
    };
    await note('ada', consent.post('/v1/withdrawals?wait=gates', { subjectId: 'ada' }));
    watch = setInterval(() => answeredAboutAda.add(aboutAda().kind), 5);
    await note('ivy', consent.post('/v1/withdrawals', { subjectId: 'ivy', purposes: ['analytics'] }));
    await note(
      'bob',
      consent.post('/v1/withdrawals', { subjectId: 'bob', purposes: ['analytics'], recipients: ['segment'] }),
    );
    await note('dan', consent.post('/v1/consents', only('dan', 'analytics'), key()));
    await note('fay', consent.post('/v1/consents', only('fay', 'analytics'), key()));
    await note('gus', consent.post('/v1/consents', only('gus', 'analytics'), key()));
    await note('gus', consent.post('/v1/withdrawals', { subjectId: 'gus', purposes: ['analytics'] }));
    await note('eve', consent.post('/v1/subjects/eve/erasure', undefined));
    const [purpose] = sampleCatalogue.purposes;
    await consent.post('/v1/catalogue/changes', { purposes: [{ ...purpose, active: false }] });
    await published(consent);
    // Every partition's log names the ledger's head: all twelve tell of what the copy lacks.
    await waitFor(
      async () =>
        (
          await consent.pool.query<{ told: boolean }>(
            `SELECT count(*) = 12 AND bool_and(last_ledger_number = (SELECT max(number) FROM ledger_chain)) AS told FROM relay_shard
              WHERE NOT EXISTS (SELECT 1 FROM ledger_pending)`,
          )
        ).rows[0]?.told === true,
      { what: 'watermarks with the head of the ledger in every partition' },
    );
    await consent.stop();
    consent = await start(await copied(copies[0] ?? ''));
    await waitFor(() => consent.parts.relay?.state().lost.length === 12, {
      what: 'the relay stays closed',
      timeoutMs: 30_000,
    });
    expect((await statesOf('ada')).by).toMatchObject({ analytics: 'granted' });
    // Whoever compared with it would take Fay, who came after the copy, for erased.
    expect((await consent.get('/v1/gate/snapshot')).status).toBe(503);
  }, 90_000);

  test('whoever writes meanwhile hides nothing: the loss is known by the change, not by the version', async () => {
    const before = lost.get('ivy');
    // As RST-1 does where the server is another one.
    await consent.pool.query('UPDATE incarnation SET incarnation = incarnation + 1');
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'ivy', purposes: ['ad-targeting'] });
    await consent.post('/v1/consents', only('kim', 'analytics'), key());
    expect(Number(body['version'])).toBeGreaterThan(before?.version ?? Infinity);
    expect((await statesOf('ivy')).by).toMatchObject({ analytics: 'granted', 'ad-targeting': 'withdrawn' });
    expect(consent.parts.relay?.state().lost.length).toBe(12);
  }, 30_000);

  test('a dry run tells what is lost and changes nothing', async () => {
    const report = await restored({ dryRun: true });
    expect(report).toMatchObject({
      dryRun: true,
      people: 7,
      lostChanges: 8,
      erased: 1,
      catalogueChanges: 1,
      holes: [],
    });
    expect((await statesOf('ada')).by).toMatchObject({ analytics: 'granted' });
  }, 30_000);

  test('every answered withdrawal is in force again, above the versions the world has seen, and no gate opened for it', async () => {
    const report = await restored();
    expect(report).toMatchObject({ people: 7, erased: 1, catalogueChanges: 1 });
    await waitFor(() => consent.parts.relay?.state().owned.length === 12, {
      what: 'the relay opens',
      timeoutMs: 30_000,
    });
    await published(consent);
    await waitFor(() => aboutAda().kind === 'deny', { what: 'the gate knows again', timeoutMs: 30_000 });
    const denied = { analytics: 'withdrawn', 'ad-targeting': 'withdrawn', 'email-marketing': 'withdrawn' };
    expect((await statesOf('ada')).by).toEqual(denied);
    expect((await statesOf('ivy')).by).toMatchObject({
      analytics: 'withdrawn',
      'ad-targeting': 'withdrawn',
      'email-marketing': 'granted',
    });
    expect((await statesOf('gus')).by).toEqual({ analytics: 'withdrawn' });
    // A refusal of before stands; a grant without its evidence is asked for again.
    expect((await statesOf('dan')).by).toEqual(denied);
    expect((await statesOf('fay')).by).toEqual({ analytics: 'expired' });
    expect((await statesOf('kim')).by).toEqual({ analytics: 'granted' });
    for (const [person, { version }] of lost) expect((await statesOf(person)).version).toBeGreaterThan(version);
    const eve = await consent.pool.query(
      `SELECT 1 FROM subject WHERE subject_key = $1 AND erased_at IS NOT NULL AND vector = '{}' AND identifiers_sealed IS NULL`,
      [lost.get('eve')?.key],
    );
    expect(eve.rowCount).toBe(1);
    const { rows } = await consent.pool.query(
      `SELECT vector -> 'analytics' -> 'refused' AS refused, identifiers_sealed IS NULL AS unknown FROM subject WHERE subject_key = ANY ($1)`,
      [[lost.get('bob')?.key]],
    );
    expect(rows).toEqual([{ refused: ['segment'], unknown: false }]);
    expect(answeredAboutAda).toEqual(new Set(['deny', 'stale']));
    const { body: catalogue } = await consent.get('/v1/catalogue');
    expect(catalogue['purposes']).toContainEqual(expect.objectContaining({ id: 'email-marketing', active: false }));
  }, 60_000);

  test('the ledger verifies, and says of each what was made good for', async () => {
    const answer = await fetch(`${consent.url}/v1/ledger/entries`, {
      headers: { authorization: `Bearer ${await consent.token(['audit:read'])}` },
    });
    if (answer.body === null) throw new Error('no ledger');
    expect(await verifyLedgerFile(answer.body, { checkpoints: [] })).toMatchObject({ bad: null });
    const { rows } = await consent.pool.query<{ restored: { version: number }; causes: string[] }>(
      `SELECT entry::jsonb -> 'restored' AS restored, jsonb_path_query_array(entry::jsonb, '$.changes[*].cause') AS causes
         FROM ledger_entry WHERE subject_key = $1 ORDER BY version DESC LIMIT 1`,
      [lost.get('ada')?.key],
    );
    expect(rows).toMatchObject([
      { restored: { version: lost.get('ada')?.version }, causes: ['restore', 'restore', 'restore'] },
    ]);
    expect(counterOf((await statesOf('ada')).version)).toBeLessThan(100);
  });

  test('run again there is nothing left to do, and what people granted since stays', async () => {
    await consent.post('/v1/consents', only('ada', 'analytics'), key());
    const report = await restored();
    expect(report).toMatchObject({ people: 0, lostChanges: 0, catalogueChanges: 0 });
    expect((await statesOf('ada')).by).toMatchObject({ analytics: 'granted' });
  }, 30_000);

  test('where the logs begin after the backup ends it refuses, or takes what a stopped gate had read', async () => {
    await waitFor(() => aboutAda().kind !== 'stale', { what: 'the gate follows', timeoutMs: 30_000 });
    await published(consent);
    await consent.stop();
    stopped = true;
    const ends = await kafka.admin().offsets(topics.revocations);
    const hasRead = () =>
      [...ends].every(([at, { high }]) => BigInt(gate.status().applied[`${topics.revocations}:${at}`] ?? 0) >= high);
    await waitFor(hasRead, { what: 'the gate has read all there is', timeoutMs: 30_000 });
    await gate.close();
    const config = { ...consent.config, databaseUrl: await copied(copies[0] ?? '') };
    // Kept for fourteen days, so a backup of today is covered by an empty log; this one is older.
    const old = createClient({ url: config.databaseUrl, schema: 'consent', name: 'old' });
    await old.connect();
    await old.query('ALTER TABLE ledger_entry DISABLE TRIGGER USER');
    await old.query(`UPDATE ledger_entry SET committed_at = committed_at - interval '15 days'`);
    await expect(restored({ config, kafka: forgetful() })).rejects.toThrow(
      'the backup ends before the first record kept',
    );
    const { rows: before } = await old.query('SELECT 1 FROM restore');
    expect(before).toEqual([]);
    const report = await restored({ config, kafka: forgetful(), replicas: [directory] });
    expect(report.fromReplicas).toBeGreaterThanOrEqual(6);
    const { rows } = await old.query(
      `SELECT vector -> 'analytics' ->> 'decision' AS decision FROM subject WHERE subject_key = $1`,
      [lost.get('ivy')?.key],
    );
    expect(rows).toEqual([{ decision: 'withdrawn' }]);
    await old.end();
  }, 60_000);
});
