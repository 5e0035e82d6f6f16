import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  cloudEventHeaders,
  controllerId,
  encodeEvent,
  recipientId,
  subjectKey,
  topics,
  topicSettings,
  uuidv7,
  type ConsentChanged,
  type EventData,
  type EventType,
  type GateStartId,
  type PurposeId,
} from '@entente/contracts';
import { createKafka, partitionOf, type EventPublisher, type Kafka } from '@entente/kafka';
import { createLogger, createMetrics, systemClock, type Metrics } from '@entente/observability';
import { createPool, migrate, type Pool } from '@entente/postgres';
import { kafkaBootstrap, testDatabase, waitFor } from '@entente/test-support';
import { EgressAudit } from '../leaks/egress-audit.ts';
import { opsMigrations } from '../migrations/index.ts';
import { registerGauges } from '../metrics/gauges.ts';
import { sealedCursors } from '../read/cursors.ts';
import { leaks } from '../read/leaks.ts';
import { ParkedController } from '../http/parked.controller.ts';
import { parkedAt } from '../read/parked.ts';
import { recipientSummaries } from '../read/recipients.ts';
import { latestPropagations, propagation } from './read-model.ts';
import { Sweeper } from './sweeper.ts';
import { Tracker } from './tracker.ts';

const acme = controllerId(`ops-${uuidv7(systemClock.now()).slice(-12)}`);
const purpose = 'personalised-ads' as PurposeId;
const meta = recipientId('meta-ads');
const gate = {
  start: uuidv7(systemClock.now()).slice(-12) as GateStartId,
  gate: 'ad-partner-connector-1',
  controller: acme,
};
const log = createLogger({ service: 'ops-test', level: 'error' });
const iso = (ms: number): string => new Date(ms).toISOString();
let database: Awaited<ReturnType<typeof testDatabase>>;
let pool: Pool;
let kafka: Kafka;
let publisher: EventPublisher;
let tracker: Tracker;
let sweeper: Sweeper;
let metrics: Metrics;
let people = 0;

const person = () =>
  subjectKey(`k1.${`person${(people += 1)}-${uuidv7(systemClock.now()).slice(-12)}`.padEnd(22, '_').slice(0, 22)}`);

async function send<T extends EventType>(
  topic: string,
  key: string,
  type: T,
  data: EventData[T],
  id = uuidv7(systemClock.now()),
): Promise<string> {
  const [result] = await publisher.publish([
    {
      topic,
      partition: topic === topics.catalogue ? 0 : partitionOf(key),
      key: Buffer.from(key),
      value: encodeEvent(type, data),
      headers: cloudEventHeaders({ id, source: 'urn:entente:test', type, subject: key, time: iso(systemClock.now()) }),
    },
  ]);
  if (!result?.ok) throw result?.error ?? new Error('nothing published');
  return id;
}

const withdrawal = (
  key: ReturnType<typeof person>,
  version: number,
  committedMs = systemClock.now(),
): ConsentChanged => ({
  controller: acme,
  subjectKey: key,
  version,
  catalogue: 1,
  direction: 'deny',
  vector: { [purpose]: { decision: 'withdrawn', since: iso(committedMs) } },
  changes: [{ purpose, from: 'granted', to: 'withdrawn', cause: 'person' }],
  recipients: [meta],
  committedAt: iso(committedMs),
  sealed: {},
});

const beat = (number: number) =>
  send(topics.gates, gate.gate, 'org.entente.gate.beat.v1', { ...gate, number, recipients: [meta] });
const confirm = (key: ReturnType<typeof person>, version: number) =>
  send(topics.gates, gate.gate, 'org.entente.gate.confirmed.v1', {
    ...gate,
    recipients: [meta],
    confirmed: [{ subjectKey: key, version, closedAt: iso(systemClock.now()) }],
    clock: { offsetMs: 0, errorMs: 0.5 },
  });
const outcome = (
  key: ReturnType<typeof person>,
  version: number,
  what: 'accepted' | 'confirmed' | 'waiting' | 'parked',
  reason = 'missing-identifier',
) =>
  send(topics.enforcements, key, 'org.entente.enforcement.recorded.v1', {
    controller: acme,
    subjectKey: key,
    recipient: meta,
    version,
    direction: 'deny',
    outcome: what,
    attempts: 1,
    at: iso(systemClock.now()),
    consumedAt: iso(systemClock.now() - 3),
    clockErrorMs: 0.5,
    ...(what === 'parked' || what === 'waiting' ? { reason } : {}),
  });
const summaries = () => recipientSummaries(pool, acme, tracker.sees());
const at = (id: string) => propagation(pool, acme, id);

beforeAll(async () => {
  database = await testDatabase('ops_tracker');
  await migrate({ url: database.url, schema: 'ops', migrations: opsMigrations, log });
  pool = createPool({ url: database.url, schema: 'ops', name: 'ops-test', max: 8 });
  kafka = createKafka({ clientId: 'ops-test', brokers: kafkaBootstrap(), log });
  const admin = kafka.admin();
  await admin.ensureTopics(
    topicSettings.map(({ name, partitions }) => ({
      name,
      partitions,
      replicationFactor: 1,
      config: { 'message.timestamp.type': 'LogAppendTime' },
    })),
  );
  await admin.close();
  publisher = kafka.publisher();
  metrics = createMetrics();
  registerGauges({ metrics, pool, controller: acme, deadlineMs: 60_000 });
  tracker = new Tracker(pool, kafka, log, metrics);
  sweeper = new Sweeper(pool, systemClock, log, metrics, tracker);
  await tracker.start();
  sweeper.start();
  await send(topics.catalogue, acme, 'org.entente.catalogue.changed.v1', {
    controller: acme,
    number: 1,
    purposes: [],
    notices: [],
    recipients: [
      {
        id: meta,
        name: 'Meta',
        kind: 'ad-partner',
        partner: 'meta',
        audience: 'ad-partner' as never,
        purposes: [purpose],
        identifiers: ['meta-email'],
        preloaded: false,
        active: true,
      },
    ],
    committedAt: iso(systemClock.now()),
  });
  await beat(1);
  await waitFor(async () => (await summaries())[0]?.gateSilentS !== null, {
    timeoutMs: 15_000,
    what: 'the first beat',
  });
}, 60_000);

afterAll(async () => {
  await sweeper.stop();
  await tracker.stop();
  await publisher.close();
  await kafka.close();
  await pool.end();
  await database.drop();
});

describe('TRK-1: the tracker', () => {
  test('follows a withdrawal to gate closed and accepted, once, however often it is seen', async () => {
    const key = person();
    await beat(2);
    const change = withdrawal(key, 1);
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', change);
    await send(topics.changes, key, 'org.entente.consent.changed.v1', change, id);
    await waitFor(async () => (await at(id)) !== null, { timeoutMs: 10_000, what: 'the change' });
    expect(await at(id)).toMatchObject({
      allGatesClosed: false,
      allAccepted: false,
      recipients: [{ recipient: meta, name: 'Meta', state: 'waiting' }],
    });
    await confirm(key, 1);
    await outcome(key, 1, 'accepted');
    await waitFor(async () => (await at(id))?.allAccepted && (await at(id))?.allGatesClosed, {
      timeoutMs: 10_000,
      what: 'the outcome',
    });
    const [only, ...more] = (await at(id))!.recipients;
    expect(more).toEqual([]);
    expect(only).toMatchObject({ state: 'accepted', gateClosedBy: 'confirmation', attempts: 1 });
    expect(only!.gateClosedMs).toBeLessThan(5_000);
    expect(only!.acceptedMs).toBeGreaterThanOrEqual(only!.gateClosedMs!);
    expect(await metrics.text()).toMatch(/consent_propagation_seconds_count\{[^}]*connector="meta-ads"[^}]*\} 1/);
  });

  test('what the partner says about its own processing time stands beside each change and recipient, the newest word of it', async () => {
    const described = (at: string, en: string) =>
      send(topics.enforcements, meta, 'org.entente.recipient.described.v1', {
        ...{ controller: acme, recipient: meta, at },
        documentedDelay: { en, fr: 'jusqu’à 24 heures' },
      });
    const delay = async () => (await summaries())[0]?.documentedDelay?.en;
    const now = systemClock.now();
    await described(iso(now), 'up to 24 hours');
    await waitFor(async () => (await delay()) === 'up to 24 hours', { timeoutMs: 10_000, what: 'the delay' });
    await described(iso(now - 1), 'older');
    await described(iso(now + 1), 'up to 2 days');
    await waitFor(async () => (await delay()) === 'up to 2 days', { timeoutMs: 10_000, what: 'the newer one' });
    const key = person();
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1));
    await waitFor(async () => (await at(id)) !== null, { timeoutMs: 10_000, what: 'the change' });
    expect((await at(id))?.recipients[0]?.documentedDelay).toEqual({ en: 'up to 2 days', fr: 'jusqu’à 24 heures' });
  });

  test('an outcome or confirmation that overtakes its change is not lost', async () => {
    const key = person();
    const change = withdrawal(key, 1);
    await beat(3);
    await outcome(key, 1, 'accepted');
    await confirm(key, 1);
    await waitFor(
      async () => (await pool.query('SELECT 1 FROM gate_confirmation WHERE subject_key = $1', [key])).rowCount === 1,
      { timeoutMs: 10_000, what: 'the early confirmation' },
    );
    const measured = async () =>
      Number(/consent_propagation_seconds_count\{[^}]*meta-ads[^}]*\} (\d+)/.exec(await metrics.text())?.[1] ?? 0);
    const before = await measured();
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', change);
    await waitFor(async () => (await at(id))?.allAccepted && (await at(id))?.allGatesClosed, {
      timeoutMs: 10_000,
      what: 'both applied',
    });
    // The fastest of all is measured like the others.
    await waitFor(async () => (await measured()) === before + 1, { timeoutMs: 10_000, what: 'its delay' });
  });

  test('accepted and confirmed are two times; a partner that takes its word back opens the change again', async () => {
    const key = person();
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1));
    const standing = async () => (await at(id))?.recipients[0];
    const until = (what: string, holds: (recipient: Awaited<ReturnType<typeof standing>>) => boolean) =>
      waitFor(async () => holds(await standing()), { timeoutMs: 10_000, what });
    await outcome(key, 1, 'accepted');
    await until('the acceptance', (recipient) => recipient?.state === 'accepted');
    const acceptedAt = (await standing())?.acceptedAt;
    await outcome(key, 1, 'confirmed');
    await until('the confirmation', (recipient) => recipient?.state === 'confirmed');
    expect(await standing()).toMatchObject({ acceptedAt, attempts: 1 });
    expect(Date.parse((await standing())?.times.t6 ?? '')).toBeGreaterThanOrEqual(Date.parse(acceptedAt ?? ''));
    await outcome(key, 1, 'waiting', 'still-served');
    await until('the contradiction', (recipient) => recipient?.state === 'retrying');
    expect(await at(id)).toMatchObject({ allAccepted: false, recipients: [{ reason: 'still-served' }] });
    await outcome(key, 1, 'accepted');
    await until('the new acceptance', (recipient) => recipient?.state === 'accepted');
    expect((await standing())?.contradictedAt).toBeDefined();
  });

  test('a confirmation that overtakes its change keeps the time of the acceptance before it', async () => {
    const key = person();
    await outcome(key, 1, 'accepted');
    await waitFor(
      async () => (await pool.query('SELECT 1 FROM settlement WHERE subject_key = $1', [key])).rowCount === 1,
      { timeoutMs: 10_000, what: 'the early acceptance' },
    );
    await outcome(key, 1, 'confirmed');
    await waitFor(
      async () =>
        (
          await pool.query(`SELECT 1 FROM settlement WHERE subject_key = $1 AND record->>'outcome' = 'confirmed'`, [
            key,
          ])
        ).rowCount === 1,
      { timeoutMs: 10_000, what: 'the early confirmation' },
    );
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1));
    await waitFor(async () => (await at(id))?.recipients[0]?.state === 'confirmed', {
      ...{ timeoutMs: 10_000, what: 'both applied' },
    });
    const [recipient] = (await at(id))?.recipients ?? [];
    expect(Date.parse(recipient?.acceptedAt ?? '')).toBeLessThan(Date.parse(recipient?.times.t6 ?? ''));
  });

  test('an outcome that comes at the same moment as its change is not lost', async () => {
    const keys = Array.from({ length: 100 }, person);
    const ids = await Promise.all(
      keys.flatMap((key) => [
        send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1)),
        outcome(key, 1, 'accepted').then(() => null),
      ]),
    );
    await Promise.all(
      ids
        .filter((id) => id !== null)
        .map((id) => waitFor(async () => (await at(id))?.allAccepted, { timeoutMs: 15_000, what: 'every outcome' })),
    );
  });

  test('an older change is superseded by an outcome at a newer version, and its gate is closed with it', async () => {
    const key = person();
    await beat(4);
    const first = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1));
    const second = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 2));
    await waitFor(async () => (await at(second)) !== null, { timeoutMs: 10_000, what: 'both changes' });
    await confirm(key, 2);
    await outcome(key, 2, 'accepted');
    await waitFor(async () => (await at(first))?.allAccepted && (await at(first))?.allGatesClosed, {
      timeoutMs: 10_000,
      what: 'the older one settled',
    });
    expect((await at(first))!.recipients[0]).toMatchObject({ state: 'superseded' });
    expect((await at(second))!.recipients[0]).toMatchObject({ state: 'accepted' });
  });

  test('a gate that never confirms is closed by its lease’s end, 2 s after the commit', async () => {
    const key = person();
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1));
    await waitFor(async () => (await at(id))?.allGatesClosed, { timeoutMs: 15_000, what: 'the lease’s end' });
    expect((await at(id))!.recipients[0]).toMatchObject({
      gateClosedBy: 'lease',
      gateClosedMs: 2000,
      state: 'waiting',
    });
  });

  test('parked: whose credentials, for what reasons, and how many of them canaries, is told before anything is tried again', async () => {
    const other = recipientId('other-crm');
    const at = { controller: acme, recipient: other, atMost: 1_000 };
    await pool.query(
      `INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, $2, 'Other', 'crm', true)`,
      [acme, other],
    );
    await pool.query(
      `INSERT INTO gate_start (start_id, gate, controller, recipients, first_beat_at, last_beat_at)
       VALUES ('other', 'other-1', $1, ARRAY[$2::text], clock_timestamp(), clock_timestamp())`,
      [acme, other],
    );
    const parked = async (reason: string, canary = false): Promise<void> => {
      const key = person();
      if (canary)
        await pool.query(
          `INSERT INTO canary (controller, recipient, subject_id, subject_key) VALUES ($1, $2, 'c', $3)`,
          [acme, other, key],
        );
      await pool.query(
        `INSERT INTO propagation (controller, subject_key, version, recipient, committed_at, state, reason, canary, attempts)
         VALUES ($1, $2, 1, $3, clock_timestamp() - interval '20 s', 'parked', $4, $5, 1)`,
        [acme, key, other, reason, canary],
      );
    };
    const summary = async () => {
      // As if watermarks were read.
      await pool.query(`INSERT INTO log_horizon (partition, known_until) SELECT n, clock_timestamp() FROM generate_series(0, 11) AS n
                        ON CONFLICT (partition) DO UPDATE SET known_until = excluded.known_until`);
      return (await summaries()).find(({ recipient }) => recipient === other);
    };
    await parked('missing-identifier');
    await parked('missing-identifier', true);
    expect(await parkedAt(pool, { ...at, reason: null })).toMatchObject({ known: true, canaries: 1 });
    expect(await summary()).toMatchObject({ parked: 1, status: 'SLOW', reason: 'parked' });
    await parked('authentication');
    expect(await summary()).toMatchObject({ parked: 2, status: 'SLOW', reason: 'credentials-refused' });
    const { canaries, reasons } = await parkedAt(pool, { ...at, reason: 'authentication' });
    expect([canaries, reasons]).toEqual([0, ['authentication', 'missing-identifier']]);

    const audit = { begin: () => Promise.resolve(() => Promise.resolve()) };
    const connector = { replay: (_: string, reason: string | null) => Promise.resolve(reason === null ? 3 : 0) };
    const desk = new ParkedController(pool, connector as never, audit as never, undefined as never);
    const replay = (reason?: string) =>
      desk.replay({ controller: acme } as never, { recipient: other, dryRun: true, ...(reason ? { reason } : {}) });
    expect(await replay()).toMatchObject({ people: 3, canaries: 1 });
    expect(await replay('authentication')).toMatchObject({ people: 0 });
    await expect(replay('authentification')).rejects.toMatchObject({
      detail: expect.stringContaining('authentication, missing-identifier'),
    });
    for (const table of ['log_horizon', `gate_start WHERE start_id = 'other'`])
      await pool.query(`DELETE FROM ${table}`);
    for (const table of ['propagation', 'canary'])
      await pool.query(`DELETE FROM ${table} WHERE recipient = $1`, [other]);
    await pool.query('DELETE FROM recipient WHERE id = $1', [other]);
  });

  test('parked work stays unenforced, ages, and is never shown as done', async () => {
    const key = person();
    const id = await send(
      topics.revocations,
      key,
      'org.entente.consent.changed.v1',
      withdrawal(key, 1, systemClock.now() - 20_000),
    );
    await outcome(key, 1, 'parked');
    await waitFor(async () => (await at(id))?.recipients[0]?.state === 'parked', { timeoutMs: 10_000, what: 'parked' });
    const [summary] = await summaries();
    expect(summary).toMatchObject({ recipient: meta, parked: 1 });
    expect(summary!.oldestUnenforcedS).toBeGreaterThan(19);
    const looked = `SELECT FROM recipient_pace WHERE controller = $1 AND recipient = $2 AND oldest_ms > 19000`;
    await waitFor(async () => (await pool.query(looked, [acme, meta])).rowCount === 1, {
      timeoutMs: 10_000,
      what: 'the sweeper to look at the backlog',
    });
    const text = await metrics.text();
    expect(text).toMatch(/consent_parked\{[^}]*connector="meta-ads"[^}]*\} 1/);
    expect(
      Number(/consent_oldest_unenforced_revocation_age_seconds\{connector="meta-ads"\} (\S+)/.exec(text)?.[1]),
    ).toBeGreaterThan(19);
    await waitFor(
      async () =>
        /consent_deadline_checks_total\{[^}]*within="10s"[^}]*result="missed"|result="missed"[^}]*within="10s"/.test(
          await metrics.text(),
        ),
      { timeoutMs: 10_000, what: 'the 10 s deadline judged' },
    );
  });

  test('what left after a withdrawal and past the bound is a leak, what left before is not', async () => {
    const audit = new EgressAudit(pool, kafka, log, metrics);
    await audit.start();
    const before = (await summaries())[0]?.leaks ?? 0;
    const key = person();
    const withdrawnAt = systemClock.now() - 10_000;
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 2, withdrawnAt));
    await waitFor(async () => (await at(id)) !== null, { timeoutMs: 10_000, what: 'the change' });
    const exposed = (atMs: number) =>
      send(topics.enforcements, key, 'org.entente.sharing.exposed.v1', {
        controller: acme,
        subjectKey: key,
        recipient: meta,
        purpose,
        at: iso(atMs),
      });
    await exposed(withdrawnAt - 1);
    await exposed(withdrawnAt + 2_500);
    const sent = (atMs: number, clockErrorMs = 1) =>
      send(topics.sends, meta, 'org.entente.sharing.sent.v1', {
        ...{ controller: acme, recipient: meta, gate: 'ad-partner-connector-1', clockErrorMs },
        sends: [{ subjectKey: key, purpose, version: 1, at: iso(atMs) }],
      });
    await sent(withdrawnAt + 1_900);
    // A host that could not compare its clock accuses nobody.
    await sent(withdrawnAt + 3_000, 60_000);
    await sent(withdrawnAt + 3_500);
    await waitFor(async () => (await summaries())[0]?.leaks === before + 2, { timeoutMs: 15_000, what: 'two leaks' });
    await waitFor(async () => (await pool.query('SELECT FROM exposure_unjudged')).rowCount === 0, {
      timeoutMs: 10_000,
      what: 'everything to be judged',
    });
    expect((await summaries())[0]?.leaks).toBe(before + 2);
    const { rows } = await pool.query<{ at: Date }>(
      `SELECT exposed_at AS at FROM leak WHERE subject_key = $1 AND detector = 'egress_audit' ORDER BY exposed_at`,
      [key],
    );
    expect(rows.map(({ at: time }) => time.getTime() - withdrawnAt)).toEqual([2_500, 3_500]);
    expect(await metrics.text()).toMatch(/consent_leaks_total\{[^}]*meta-ads[^}]*egress_audit[^}]*\} 2/);
    // Of five records three tell a send; the two announcements repeat one.
    const listed = await leaks(pool, {
      ...{ controller: acme, recipient: meta, since: null, after: null, limit: 10, nowMs: systemClock.now() },
      cursors: sealedCursors('secret')('leaks', acme),
      namesPeople: true,
    });
    expect(listed.looked.sends).toBe(3);
    // Earlier tests' leaks may be the newer ones.
    expect(listed.items.find(({ subjectKey: whose }) => whose === key)).toMatchObject({
      ...{ subjectKey: key, purposes: [purpose], detector: 'egress_audit', at: iso(withdrawnAt + 3_500) },
      ...{ changeId: (await at(id))!.changeId, withdrawnAt: iso(withdrawnAt) },
    });
    await audit.stop();
  });

  test('somebody served again after a withdrawal was settled is a leak that reading back has found', async () => {
    const key = person();
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 2));
    await outcome(key, 2, 'accepted');
    await waitFor(async () => (await at(id))?.allAccepted, { timeoutMs: 10_000, what: 'the acceptance' });
    await outcome(key, 2, 'waiting', 'still-served');
    const found = () =>
      pool
        .query<{ detector: string }>('SELECT detector FROM leak WHERE subject_key = $1', [key])
        .then(({ rows }) => rows);
    await waitFor(async () => (await found()).length > 0, { timeoutMs: 10_000, what: 'the leak' });
    expect(await found()).toEqual([{ detector: 'readback' }]);
  });

  test('an undecodable record is quarantined with its place and does not stop the others', async () => {
    const key = person();
    await publisher.publish([
      {
        topic: topics.enforcements,
        partition: partitionOf(key),
        key: Buffer.from(key),
        value: Buffer.from('{"half":'),
        headers: {},
      },
    ]);
    const id = await send(topics.revocations, key, 'org.entente.consent.changed.v1', withdrawal(key, 1));
    await outcome(key, 1, 'accepted');
    await waitFor(async () => (await at(id))?.allAccepted, { timeoutMs: 10_000, what: 'the record behind it' });
    const { rows } = await pool.query<{ topic: string }>('SELECT topic FROM quarantine WHERE topic = $1', [
      topics.enforcements,
    ]);
    expect(rows.length).toBeGreaterThanOrEqual(1);
  });

  test('another controller sees nothing of it', async () => {
    expect(await latestPropagations(pool, controllerId('someone-else'), 10)).toEqual([]);
    expect((await latestPropagations(pool, acme, 100)).length).toBeGreaterThan(3);
  });
});
