import { cloudEventHeaders, decodeEvent, gateStartId, topics, watermarkKey, type Watermark } from '@entente/contracts';
import { partitionOf, type InRecord } from '@entente/kafka';
import { ownBroker, testDatabase, waitFor, type OwnBroker, type TestDatabase } from '@entente/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { firstSeenInOrder, keyOf, readTopic, testOutbox, type TestOutbox } from '../testing/harness.ts';
import type { Relay, RelayOptions } from './relay.ts';

let own: OwnBroker;
let database: TestDatabase;
let outbox: TestOutbox;
const running = new Set<Relay>();

beforeAll(async () => {
  [own, database] = await Promise.all([ownBroker(), testDatabase('relay')]);
  outbox = await testOutbox(database.url, own.bootstrap);
}, 90_000);

afterEach(async () => {
  for (const relay of running) await relay.stop();
  running.clear();
}, 30_000);

afterAll(async () => {
  await outbox.close();
  await database.drop();
  await own.stop();
}, 30_000);

function started(options: Partial<RelayOptions> = {}, from: TestOutbox = outbox): Relay {
  const relay = from.relay(options);
  relay.start();
  running.add(relay);
  return relay;
}

const owning = (relay: Relay, shards = 12) =>
  waitFor(() => relay.state().owned.length === shards, { what: `${shards} shards`, timeoutMs: 30_000 });
const emptyOutbox = () =>
  waitFor(async () => (await outbox.pool.query('SELECT FROM outbox')).rowCount === 0, {
    what: 'an empty outbox',
    timeoutMs: 30_000,
  });
const withdrawMany = (count: number, subjects: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => outbox.withdraw(n % subjects)));

interface Marked {
  readonly offset: bigint;
  readonly partition: number;
  readonly data: Watermark;
}

async function watermarks(): Promise<Marked[]> {
  const records = [...(await readTopic(outbox.kafka, topics.revocations)).values()].flat();
  return records.filter(isWatermark).map((record) => {
    const event = decodeEvent(record.headers, record.value);
    if (event.type !== 'org.entente.relay.watermark.v1') throw new Error(`a watermark key on ${event.type}`);
    return { offset: record.offset, partition: record.partition, data: event.data };
  });
}

const isWatermark = (record: InRecord): boolean => record.key?.toString() === watermarkKey;

/** Places of a subject's records on the express lane. */
async function placesOf(key: string): Promise<InRecord[]> {
  const partition = partitionOf(key);
  return ((await readTopic(outbox.kafka, topics.revocations)).get(partition) ?? []).filter(
    (record) => record.key?.toString() === key,
  );
}

describe('REL-3: publishing', () => {
  test('both lanes, in version order per subject, as CloudEvents; what was acknowledged is deleted', async () => {
    await owning(started());
    await withdrawMany(60, 5);
    await emptyOutbox();
    for (const topic of [topics.revocations, topics.changes]) {
      const records = [...(await readTopic(outbox.kafka, topic)).values()]
        .flat()
        .filter((record) => !isWatermark(record));
      expect(records).toHaveLength(60);
      expect(firstSeenInOrder(records)).toEqual([]);
      const [event] = records.map(({ headers, value }) => decodeEvent(headers, value));
      expect(event).toMatchObject({ type: 'org.entente.consent.changed.v1', data: { controller: 'acme' } });
      expect(records[0]?.headers).toMatchObject({ ce_source: 'urn:entente:consent', ce_specversion: '1.0' });
    }
  }, 60_000);
});

describe('REL-4: watermarks', () => {
  test('every deny that was committed before the pass stands before its watermark', async () => {
    await owning(started());
    const answered: { key: string; version: number; by: string }[] = [];
    for (let round = 0; round < 40; round += 1) {
      const done = await Promise.all([outbox.withdraw(100 + round), outbox.withdraw(round % 7)]);
      // Database time after the commits: a pass that began later must have published them.
      const { rows } = await outbox.pool.query<{ now: string }>(
        `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`,
      );
      for (const { key, version } of done) answered.push({ key, version, by: rows[0]?.now ?? '' });
    }
    await emptyOutbox();
    const marks = await watermarks();
    expect(marks.length).toBeGreaterThan(12);
    for (const { key, version, by } of answered) {
      const places = await placesOf(key);
      const place = places.find(({ value }) => (JSON.parse(String(value)) as { version: number }).version === version);
      const first = marks.find(({ partition, data }) => partition === partitionOf(key) && data.passTime >= by);
      if (first !== undefined) expect(place?.offset).toBeLessThan(first.offset);
    }
    for (const partition of new Set(marks.map((mark) => mark.partition))) {
      const mine = marks.filter((mark) => mark.partition === partition);
      const numbers = mine.map(({ data }) => data.number);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      for (const { offset, data } of mine) expect(BigInt(data.highestAcked)).toBeLessThan(offset);
    }
  }, 60_000);

  test('GATE-6: a beat comes back once its start is registered; a sign-off strikes the row', async () => {
    const relay = started();
    await owning(relay);
    const start = gateStartId(randomUUID().replaceAll('-', '').slice(0, 12));
    const gate = { start, gate: 'crm-1', controller: 'acme' };
    const publisher = outbox.kafka.publisher();
    const send = (type: 'org.entente.gate.beat.v1' | 'org.entente.gate.signed-off.v1', data: object) =>
      publisher.publish([
        {
          ...{ topic: topics.gates, partition: partitionOf('crm-1'), key: Buffer.from('crm-1') },
          value: Buffer.from(JSON.stringify({ ...gate, ...data })),
          headers: cloudEventHeaders({
            id: randomUUID(),
            source: 'urn:entente:gate',
            type,
            subject: 'crm-1',
            time: '2026-01-01T00:00:00Z',
          }),
        },
      ]);
    const returned = async () =>
      (await watermarks())
        .filter(({ data }) => data.beats.some(([of]) => of === start))
        .map(({ partition }) => partition);
    let number = 0;
    await waitFor(
      async () => {
        await send('org.entente.gate.beat.v1', { number: (number += 1), recipients: ['hubspot-crm'] });
        return new Set(await returned()).size === 12;
      },
      { what: 'the beat on every partition', everyMs: 250, timeoutMs: 20_000 },
    );
    const row = () => outbox.pool.query('SELECT gate, recipients FROM gate WHERE start_id = $1', [start]);
    expect((await row()).rows).toEqual([{ gate: 'crm-1', recipients: ['hubspot-crm'] }]);
    await send('org.entente.gate.signed-off.v1', { ended: start });
    await waitFor(async () => (await row()).rowCount === 0, { what: 'the row struck out' });
    await publisher.close();
  }, 60_000);
});

describe('REL-2: owners', () => {
  test('two relays share the shards; the one that stays takes over all', async () => {
    const first = started();
    await owning(first);
    const second = started();
    await owning(second, 6);
    await owning(first, 6);
    expect([...first.state().owned, ...second.state().owned].sort((a, b) => a - b)).toEqual([...Array(12).keys()]);
    await withdrawMany(60, 20);
    await emptyOutbox();
    running.delete(first);
    await first.stop();
    await owning(second);
    await withdrawMany(20, 20);
    await emptyOutbox();
  }, 90_000);

  test('a lock connection ended by the server is replaced, and nothing is lost', async () => {
    const relay = started();
    await owning(relay);
    const subject = 7_000;
    for (let round = 0; round < 30; round += 1) {
      await outbox.withdraw(subject);
      if (round % 10 === 5)
        await outbox.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay' AND datname = current_database()`,
        );
    }
    await emptyOutbox();
    await owning(relay);
    const places = await placesOf(keyOf(subject));
    expect(new Set(places.map(({ value }) => (JSON.parse(String(value)) as { version: number }).version)).size).toBe(
      30,
    );
    expect(firstSeenInOrder(places)).toEqual([]);
  }, 60_000);
});

describe('trouble', () => {
  test('a broker killed under traffic: nothing is lost, order holds, publishing resumes by itself', async () => {
    const relay = started();
    await owning(relay);
    let sent = 0;
    const traffic = async (count: number) => {
      for (let n = 0; n < count; n += 1, sent += 1) await outbox.withdraw(8_000 + (sent % 9));
    };
    await Promise.all([traffic(40), own.broker.kill('SIGKILL')]);
    await traffic(40);
    await own.broker.start();
    const { committedAt } = await outbox.withdraw(8_000);
    sent += 1;
    await emptyOutbox();
    expect(committedAt).toMatch(/Z$/);
    const records = (await Promise.all(Array.from({ length: 9 }, (_, n) => placesOf(keyOf(8_000 + n))))).flat();
    const versions = new Set(
      records.map((r) => `${String(r.key)}/${(JSON.parse(String(r.value)) as { version: number }).version}`),
    );
    expect(versions.size).toBe(sent);
    expect(firstSeenInOrder(records)).toEqual([]);
    await waitFor(() => relay.state().isolated.urgent.length + relay.state().isolated.normal.length === 0, {
      what: 'every partition back in the common batch',
    });
  }, 90_000);

  test('REL-5: an epoch that the database lost is learnt from the log, and never told lower', async () => {
    const epochsAfter = async (from: number): Promise<number[]> => {
      await outbox.pool.query('UPDATE relay_shard SET log_epoch = $1', [from]);
      const before = new Set((await watermarks()).map(({ partition, offset }) => `${partition}/${offset}`));
      const relay = started();
      const fresh = async () =>
        (await watermarks()).filter(({ partition, offset }) => !before.has(`${partition}/${offset}`));
      await waitFor(async () => new Set((await fresh()).map(({ partition }) => partition)).size === 12, {
        what: 'a watermark of each shard',
        timeoutMs: 30_000,
      });
      await relay.stop();
      running.delete(relay);
      return [...new Set((await fresh()).map(({ data }) => data.logEpoch))];
    };
    expect(await epochsAfter(3)).toEqual([3]);
    expect(await epochsAfter(0)).toEqual([3]);
  }, 90_000);

  test('RST-4: a ledger that does not hold what Kafka shows: no watermark, nothing published', async () => {
    await owning(started());
    await outbox.withdraw(1);
    await emptyOutbox();
    const restored = await testDatabase('relay_restored');
    const other = await testOutbox(restored.url, own.bootstrap);
    try {
      for (const relay of running) await relay.stop();
      running.clear();
      const before = (await watermarks()).length;
      const relay = started({ log: other.quiet }, other);
      await waitFor(() => relay.state().lost.length === 12, { what: 'every shard closed', timeoutMs: 30_000 });
      await other.withdraw(1);
      await relay.stop();
      running.clear();
      expect((await other.pool.query('SELECT FROM outbox')).rowCount).toBe(2);
      expect((await watermarks()).length).toBe(before);
    } finally {
      await other.close();
      await restored.drop();
    }
  }, 90_000);
});
