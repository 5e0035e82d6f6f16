import { partitionCount, timing, topics } from '@entente/contracts';
import { createKafka, partitionOf, type Kafka } from '@entente/kafka';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import { ownBroker, waitFor, type OwnBroker } from '@entente/test-support';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Gate, type GateOptions } from './index.ts';
import {
  acme,
  catalogueDocument,
  change,
  crm,
  email,
  meta,
  subject,
  vector,
  watermark,
} from './testing/consent-fixtures.ts';
import { FakeRelay } from './testing/fake-relay.ts';
import { catalogueRecord, changeRecord, watermarkRecord } from './testing/log-fixtures.ts';
import { SnapshotServer } from './testing/snapshot-server.ts';

/** GATE_SPEC_LOG=info shows what the gates and their Kafka clients say. */
const quiet = createLogger({
  service: 'gate-spec',
  level: process.env['GATE_SPEC_LOG'] === 'info' ? 'info' : 'silent',
});
/** Built by the global set-up, as every process that tests start. */
const stoppableGate = fileURLToPath(new URL('../dist/testing/stoppable-gate.js', import.meta.url));
const tick = timing.beatMs;

let own: OwnBroker;
let kafka: Kafka;
let relay: FakeRelay;
let consent: SnapshotServer;
let directory: string;
const gates = new Set<Gate>();
const clients = new Set<Kafka>();

const newKafka = (clientId: string): Kafka => {
  const made = createKafka({ clientId, brokers: own.bootstrap, log: quiet });
  clients.add(made);
  return made;
};

async function openGate(extra: Partial<GateOptions> = {}): Promise<Gate> {
  const gate = await Gate.open({
    controller: acme,
    gate: 'crm-connector-1',
    recipients: [crm, meta],
    kafka: newKafka('gate'),
    consentUrl: consent.url,
    token: () => Promise.resolve('secret'),
    directory,
    clock: systemClock,
    log: quiet,
    ...extra,
  });
  gates.add(gate);
  return gate;
}

const ask = (gate: Gate, number: number, atLeastVersion?: number) =>
  gate.decide({
    subjectKey: subject(number),
    purpose: email,
    recipient: crm,
    ...(atLeastVersion === undefined ? {} : { atLeastVersion }),
  });
const answer = (gate: Gate, number: number): string => {
  const decision = ask(gate, number);
  return decision.kind === 'allow' ? 'allow' : `${decision.kind}: ${decision.reason}`;
};
const eventually = (gate: Gate, number: number, expected: string) =>
  waitFor(() => answer(gate, number) === expected, {
    what: `subject ${number} to be ${expected}, it is ${answer(gate, number)}`,
  });

beforeAll(async () => {
  own = await ownBroker();
  kafka = newKafka('fixture');
  const admin = kafka.admin();
  const topic = (name: string, partitions: number) => ({
    name,
    partitions,
    replicationFactor: 1,
    config: { 'message.timestamp.type': 'LogAppendTime' },
  });
  await admin.ensureTopics([
    topic(topics.revocations, partitionCount),
    topic(topics.changes, partitionCount),
    topic(topics.gates, partitionCount),
    topic(topics.catalogue, 1),
  ]);
  relay = new FakeRelay(kafka);
  await relay.start();
}, 60_000);

afterAll(async () => {
  await relay.stop();
  await Promise.all([...clients].map((client) => client.close()));
  await own.stop();
}, 30_000);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-gate-'));
  consent = new SnapshotServer();
  await consent.start();
  for (let number = 1; number <= 500; number += 1)
    consent.subjects.set(subject(number), { version: 1, vector: vector('granted') });
  consent.catalogue = catalogueDocument(relay.catalogue);
  relay.passing = true;
});

afterEach(async () => {
  await Promise.all([...gates].map((gate) => gate.close()));
  gates.clear();
  await consent.stop();
  await rm(directory, { recursive: true, force: true });
}, 30_000);

describe('a gate on real Kafka', () => {
  test('GATE-1 and GATE-2: opens by itself, allows what stands granted, denies what it does not know', async () => {
    const gate = await openGate();
    expect(answer(gate, 1)).toBe('stale: not-seeded');
    const began = performance.now();
    await gate.whenOpen();
    console.log(`opened in ${Math.round(performance.now() - began)} ms`);
    expect(answer(gate, 1)).toBe('allow');
    expect(answer(gate, 9999)).toBe('deny: unknown-subject');
    expect(gate.status()).toMatchObject({
      phase: 'following',
      open: true,
      catalogue: relay.catalogue,
      stalePartitions: [],
    });
    expect(gate.status().counts.subjects).toBe(500);
  });

  test('GATE-6: an applied deny closes the subject and is confirmed at once', async () => {
    const metrics = createMetrics();
    const gate = await openGate({ metrics });
    await gate.whenOpen();
    const told: number[] = [];
    gate.onDenied((_key, version) => told.push(version));
    const tookMs: number[] = [];
    for (let number = 1; number <= 100; number += 1) {
      const committedAt = new Date().toISOString();
      const data = change(subject(number), 2, 'withdrawn', { committedAt });
      const at = await relay.publish(data, [topics.revocations]);
      const seen = await waitFor(
        () =>
          relay.confirmed.find(({ data: { confirmed } }) => confirmed.some((c) => c.subjectKey === subject(number))),
        { what: 'the confirmation', everyMs: 1 },
      );
      tookMs.push(seen.at - at);
      expect(answer(gate, number)).toBe('deny: not-granted');
    }
    tookMs.sort((a, b) => a - b);
    console.log(
      `publish -> apply -> confirmation read back: p50 ${tookMs[50]?.toFixed(1)} ms, max ${tookMs[99]?.toFixed(1)} ms`,
    );
    expect(told).toHaveLength(100);
    expect(answer(gate, 101)).toBe('allow');
    const text = await metrics.text();
    expect(text).toMatch(/consent_gate_decisions_total\{connector="hubspot-crm",decision="deny"\} 100/);
    expect(text).toMatch(/consent_gate_close_delay_seconds_count\{connector="meta-ads"\} 100/);
  }, 60_000);

  test('ORDER: the two logs in any order end in the higher version', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    await relay.publish(change(subject(1), 4, 'withdrawn'), [topics.revocations]);
    await eventually(gate, 1, 'deny: not-granted');
    await relay.publish(change(subject(1), 3, 'granted'), [topics.changes]);
    await relay.publish(change(subject(1), 4, 'withdrawn'), [topics.changes]);
    await relay.publish(change(subject(2), 2, 'withdrawn'), [topics.changes]);
    await eventually(gate, 2, 'deny: not-granted');
    expect(answer(gate, 1)).toBe('deny: not-granted');
    await relay.publish(change(subject(1), 5, 'granted'), [topics.changes]);
    await eventually(gate, 1, 'allow');
    expect(ask(gate, 1, 5)).toMatchObject({ kind: 'allow', version: 5 });
    expect(ask(gate, 1, 6)).toEqual({ kind: 'stale', reason: 'below-version' });
  });

  test('GATE-2: no watermarks, no sharing within the lease; it reopens by itself', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    relay.passing = false;
    const began = performance.now();
    await eventually(gate, 1, 'stale: no-lease');
    expect(performance.now() - began).toBeLessThan(timing.maxStalenessMs + 200);
    relay.passing = true;
    await gate.whenOpen();
    expect(answer(gate, 1)).toBe('allow');
  });

  test('GATE-1: a restart resumes from its offsets without a snapshot, and has read what it missed', async () => {
    const first = await openGate();
    await first.whenOpen();
    await relay.publish(change(subject(1), 2, 'withdrawn'));
    await eventually(first, 1, 'deny: not-granted');
    await first.close();
    await relay.publish(change(subject(2), 2, 'withdrawn'), [topics.revocations]);
    await relay.publish(change(subject(3), 2, 'granted'), [topics.changes]);
    const second = await openGate();
    await second.whenOpen();
    expect(answer(second, 1)).toBe('deny: not-granted');
    expect(answer(second, 2)).toBe('deny: not-granted');
    await waitFor(() => ask(second, 3, 2).kind === 'allow', { what: 'the grant it missed' });
    expect(consent.asked.snapshots).toBe(1);
  });

  test('GATE-1: an incomplete snapshot is worth nothing; the seed is repeated until it is whole', async () => {
    consent.fault = 'no-end';
    const gate = await openGate();
    await waitFor(() => consent.asked.snapshots >= 2, { what: 'a second try' });
    expect(answer(gate, 1)).toBe('stale: not-seeded');
    consent.fault = 'cut';
    const before = consent.asked.snapshots;
    await waitFor(() => consent.asked.snapshots > before, { what: 'another try' });
    expect(answer(gate, 1)).toBe('stale: not-seeded');
    consent.fault = 'none';
    await gate.whenOpen();
    expect(answer(gate, 1)).toBe('allow');
  });

  test('closing a gate that cannot seed takes no longer than its promises', async () => {
    consent.fault = 'unavailable';
    const gate = await openGate();
    const opening = expect(gate.whenOpen()).rejects.toThrow('closed');
    await waitFor(() => consent.asked.snapshots > 0, { what: 'the first try' });
    const began = performance.now();
    await gate.close();
    expect(performance.now() - began).toBeLessThan(5000);
    await opening;
    expect(gate.status().phase).toBe('closed');
  });

  test('GATE-3: a watermark that tells of a lost record empties the replica and seeds again', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    const seeded: unknown[] = [];
    const gaps: unknown[] = [];
    gate.onGap((reason) => gaps.push([reason, seeded.length, gate.status().seeded]));
    gate.onSeeded((why) => seeded.push(why));
    consent.subjects.set(subject(1), { version: 9, vector: vector('withdrawn') });
    const partition = partitionOf(subject(1));
    await relay.send([watermarkRecord(partition, watermark(1_000_000, { highestAcked: '999999999' }))]);
    await waitFor(() => seeded.length > 0, { what: 'a new seed' });
    expect(seeded).toEqual(['acknowledged-beyond']);
    // Told before anything is done about it, with the leases over.
    expect(gaps[0]).toEqual(['acknowledged-beyond', 0, false]);
    await eventually(gate, 1, 'deny: not-granted');
    await gate.whenOpen();
    expect(answer(gate, 2)).toBe('allow');
  });

  test('GATE-2: behind the watermark’s catalogue the gate is stale until it has caught up', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    relay.catalogue += 1;
    await eventually(gate, 1, 'stale: catalogue-behind');
    const { purposes } = catalogueDocument();
    const retired = purposes.filter(({ id }) => id === email).map((purpose) => ({ ...purpose, active: false }));
    const committedAt = new Date().toISOString();
    await relay.send([
      catalogueRecord({
        controller: acme,
        number: relay.catalogue,
        purposes: retired,
        notices: [],
        recipients: [],
        committedAt,
      }),
    ]);
    await eventually(gate, 1, 'deny: purpose-inactive');
    // The record is lost: the gate asks the service (REC-9).
    consent.catalogue = catalogueDocument(relay.catalogue + 1);
    relay.catalogue += 1;
    await eventually(gate, 1, 'allow');
    expect(consent.asked.catalogues).toBeGreaterThan(0);
  });

  test('an undecodable record closes its key, or its partition, and never stalls others (design.md §4)', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    const broken = { ...changeRecord(topics.changes, change(subject(1), 2, 'withdrawn')), value: Buffer.from('{') };
    await relay.send([broken]);
    await eventually(gate, 1, 'deny: unknown-subject');
    const partition = partitionOf(subject(2));
    await relay.send([{ topic: topics.revocations, partition, key: Buffer.from('nobody'), value: Buffer.from('x') }]);
    await eventually(gate, 2, 'stale: gap');
    const other = [3, 4, 5, 6, 7, 8, 9].find((number) => partitionOf(subject(number)) !== partition) ?? 0;
    await relay.publish(change(subject(other), 2, 'withdrawn'));
    await eventually(gate, other, 'deny: not-granted');
    expect(gate.status()).toMatchObject({ closedPartitions: [partition], counts: { closedKeys: 1, quarantined: 2 } });
    gate.reseed();
    await eventually(gate, 1, 'allow');
    await eventually(gate, 2, 'allow');
  });

  test('GATE-6: one live process per directory; the heir strikes its predecessor out', async () => {
    const first = await openGate();
    await first.whenOpen();
    const second = await openGate();
    await pause(2 * tick);
    expect(answer(second, 1)).toBe('stale: not-seeded');
    const starts = new Set(relay.beats.keys());
    await first.close();
    expect(answer(first, 1)).toMatch(/^stale/);
    await second.whenOpen();
    const own = [...relay.beats.keys()].find((start) => !starts.has(start));
    expect(own).toBeDefined();
    await waitFor(() => relay.signedOff.some(({ start, ended }) => start === ended && starts.has(ended)), {
      what: 'the first to sign off',
    });
  });

  test('NO-LEAK: a gate stopped for 2.5 s is stale at its first word; killed, its heir strikes it out (GATE-6)', async () => {
    const child = spawn(process.execPath, [stoppableGate, own.bootstrap.join(','), consent.url, directory]);
    const exited = once(child, 'exit');
    const words: { kind: string; at: number }[] = [];
    createInterface(child.stdout).on('line', (line) => {
      const [kind = '', at = ''] = line.split(' ');
      words.push({ kind, at: Number(at) });
    });
    await waitFor(() => words.at(-1)?.kind === 'allow', { what: 'the child to open' });
    child.kill('SIGSTOP');
    await pause(2500);
    const resumedAt = Date.now();
    child.kill('SIGCONT');
    const first = await waitFor(() => words.find(({ at }) => at >= resumedAt), { what: 'its first word' });
    expect(first.kind).toBe('stale');
    await waitFor(() => words.at(-1)?.kind === 'allow', { what: 'the child to reopen' });
    const start = [...relay.beats.keys()].at(-1);
    child.kill('SIGKILL');
    await exited;
    const heir = await openGate();
    await heir.whenOpen();
    await waitFor(() => relay.signedOff.some((off) => off.ended === start && off.start !== start), {
      what: 'the strike-out',
    });
    expect(consent.asked.snapshots).toBe(1);
  }, 30_000);

  test('GATE-2: a directory replaced under the gate closes it; it begins again in the new one', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    await rm(directory, { recursive: true });
    await eventually(gate, 1, 'stale: store');
    await waitFor(() => gate.status().open, { what: 'another session' });
    expect(consent.asked.snapshots).toBe(2);
  });

  test('a broker killed for 4 s: leases run out, then the gate reopens by itself', async () => {
    const gate = await openGate();
    await gate.whenOpen();
    await own.broker.kill('SIGKILL');
    const began = performance.now();
    await eventually(gate, 1, 'stale: no-lease');
    expect(performance.now() - began).toBeLessThan(timing.maxStalenessMs + 200);
    await pause(4000 - (performance.now() - began));
    expect(answer(gate, 1)).toBe('stale: no-lease');
    await own.broker.start();
    const back = performance.now();
    await waitFor(() => gate.status().open, { what: 'the gate to reopen', timeoutMs: 30_000 });
    console.log(`reopened ${Math.round(performance.now() - back)} ms after the broker answered again`);
    expect(consent.asked.snapshots).toBe(1);
    expect(answer(gate, 1)).toBe('allow');
  }, 60_000);
});
