import { decodeEvent, topics, watermarkKey } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { ownBroker, testDatabase, waitFor, type OwnBroker, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { readTopic, testLedger, testOutbox, topicSpecs, type TestOutbox } from '../testing/harness.ts';
import type { RelayState } from './relay.ts';

let own: OwnBroker;
let database: TestDatabase;
let outbox: TestOutbox;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  [own, database] = await Promise.all([ownBroker(), testDatabase('relay_faults')]);
  outbox = await testOutbox(database.url, own.bootstrap);
}, 90_000);

afterAll(async () => {
  for (const process of processes) process.kill('SIGKILL');
  await outbox.close();
  await database.drop();
  await own.stop();
}, 30_000);

/** The compiled relay in a process of its own (the global set-up builds it). */
function relayProcess(): { process: ChildProcess; state: () => RelayState | undefined } {
  const script = fileURLToPath(new URL('../../dist/testing/relay-process.js', import.meta.url));
  const process = fork(script, [database.url, own.bootstrap.join(',')], { execArgv: [] });
  processes.push(process);
  let last: RelayState | undefined;
  process.on('message', (state) => (last = state as RelayState));
  return { process, state: () => last };
}

const owning = (state: () => RelayState | undefined, shards = 12) =>
  waitFor(() => state()?.owned.length === shards, { what: `${shards} shards`, timeoutMs: 30_000 });
const emptyOutbox = () =>
  waitFor(async () => (await outbox.pool.query('SELECT FROM outbox')).rowCount === 0, {
    what: 'an empty outbox',
    timeoutMs: 30_000,
  });

describe('REL-2: the server frees an owner that no longer runs', () => {
  test('a stopped process loses its shards to another relay; woken, it publishes nothing old as new', async () => {
    const stopped = relayProcess();
    await owning(stopped.state);
    await outbox.withdraw(1);
    await emptyOutbox();
    stopped.process.kill('SIGSTOP');
    await outbox.withdraw(1);
    const other = outbox.relay();
    other.start();
    try {
      await owning(() => other.state());
      await emptyOutbox();
      stopped.process.kill('SIGCONT');
      // It must find out that it owns nothing, come back as a second instance and share.
      await owning(stopped.state, 6);
      await owning(() => other.state(), 6);
      await Promise.all(Array.from({ length: 40 }, (_, n) => outbox.withdraw(n)));
      await emptyOutbox();
      await gapless();
    } finally {
      await other.stop();
      stopped.process.kill('SIGKILL');
      await once(stopped.process, 'exit');
    }
  }, 90_000);

  test('a process killed under traffic: its successor publishes what it left, in order', async () => {
    const killed = relayProcess();
    await owning(killed.state);
    const traffic = (async () => {
      for (let n = 0; n < 120; n += 1) await outbox.withdraw(500 + (n % 3));
    })();
    await waitFor(async () => (await outbox.pool.query('SELECT FROM outbox')).rowCount, { what: 'rows under way' });
    killed.process.kill('SIGKILL');
    const other = outbox.relay();
    other.start();
    await traffic;
    await emptyOutbox();
    await other.stop();
    await gapless();
  }, 90_000);
});

/** Every version of every subject stands on the express lane, first seen in order; watermark numbers of an owner grow. */
async function gapless(): Promise<void> {
  const { rows } = await outbox.pool.query<{ subject_key: string; version: number }>(
    'SELECT subject_key, version FROM subject',
  );
  const log = await readTopic(outbox.kafka, topics.revocations);
  const seen = new Map<string, number>();
  for (const record of [...log.values()].flat()) {
    if (String(record.key) === watermarkKey) continue;
    const event = decodeEvent(record.headers, record.value);
    if (event.type !== 'org.entente.consent.changed.v1') throw new Error(`unexpected ${event.type}`);
    const { subjectKey, version } = event.data;
    const newest = seen.get(subjectKey) ?? 0;
    expect(version).toBeLessThanOrEqual(newest + 1);
    seen.set(subjectKey, Math.max(newest, version));
  }
  for (const { subject_key, version } of rows)
    expect([subject_key, seen.get(subject_key)]).toEqual([subject_key, version]);
}

describe('REL-5: a log that was lost', () => {
  test('a re-created topic raises the epoch of every shard and has the ledger published again', async () => {
    testLedger.republished.length = 0;
    const relay = outbox.relay({ log: outbox.quiet });
    relay.start();
    try {
      await owning(() => relay.state());
      await waitFor(() => relay.state().passes > 3, { what: 'some passes' });
      const admin = outbox.kafka.admin();
      await admin.deleteTopics([topics.revocations]);
      const epochs = async () =>
        (await outbox.pool.query<{ log_epoch: number }>('SELECT log_epoch FROM relay_shard')).rows.map(
          (row) => row.log_epoch,
        );
      // The broker removes a topic in its own time, so it is asked for again and again.
      await waitFor(
        () =>
          admin
            .ensureTopics(topicSpecs)
            .then(epochs)
            .then((all) => all.every((epoch) => epoch > 0)),
        {
          what: 'the epochs raised',
          timeoutMs: 30_000,
          everyMs: 200,
        },
      );
      await waitFor(() => new Set(testLedger.republished.map(({ shard }) => shard)).size === 12, {
        what: 'every shard published again',
      });
      const newest = async () =>
        [...(await readTopic(outbox.kafka, topics.revocations)).values()].map(
          (records) => JSON.parse(String(records.at(-1)?.value)) as { logEpoch: number },
        );
      await waitFor(async () => (await newest()).every(({ logEpoch }) => logEpoch > 0), {
        what: 'the new epoch in every partition’s watermark',
      });
      await admin.close();
    } finally {
      await relay.stop();
    }
  }, 90_000);

  test('who takes a shard over owes what its owner has not published again yet, though no offset shows it any more', async () => {
    const cannot = { ...testLedger, republish: () => Promise.reject(new Error('not now')) };
    const first = outbox.relay({ log: outbox.quiet, watermarks: cannot });
    const rows = async () =>
      (
        await outbox.pool.query<{ log_epoch: number; republish_since: number | null }>(
          'SELECT log_epoch, republish_since FROM relay_shard ORDER BY shard',
        )
      ).rows;
    const admin = outbox.kafka.admin();
    const before = await rows();
    first.start();
    try {
      await owning(() => first.state());
      await waitFor(() => first.state().passes > 3, { what: 'some passes' });
      await admin.deleteTopics([topics.revocations]);
      const owed = () =>
        admin
          .ensureTopics(topicSpecs)
          .then(rows)
          .then((all) => all.every(({ republish_since: since }) => since !== null));
      await waitFor(owed, { what: 'every loss noted', timeoutMs: 30_000, everyMs: 200 });
    } finally {
      await admin.close();
      await first.stop();
    }
    testLedger.republished.length = 0;
    const next = outbox.relay({ log: outbox.quiet });
    next.start();
    try {
      await waitFor(() => new Set(testLedger.republished.map(({ shard }) => shard)).size === 12, {
        what: 'every shard published again',
      });
      await waitFor(async () => (await rows()).every(({ republish_since: since }) => since === null), {
        what: 'nothing owed',
      });
      const raised = (await rows()).map(({ log_epoch: epoch }, shard) => epoch - (before[shard]?.log_epoch ?? 0));
      expect(Math.min(...raised)).toBeGreaterThanOrEqual(1);
    } finally {
      await next.stop();
    }
  }, 90_000);
});

describe('REL-3: what fails is probed alone', () => {
  test('the complete log gone: the express lane goes on, and its rows wait until it is back', async () => {
    const relay = outbox.relay({ log: outbox.quiet });
    relay.start();
    const admin = outbox.kafka.admin();
    const waiting = async (lane: number) =>
      (await outbox.pool.query('SELECT FROM outbox WHERE lane = $1', [lane])).rowCount;
    try {
      await owning(() => relay.state());
      await admin.deleteTopics([topics.changes]);
      await Promise.all(Array.from({ length: 20 }, (_, n) => outbox.withdraw(900 + n)));
      await waitFor(async () => (await waiting(0)) === 0, { what: 'the urgent rows published' });
      await waitFor(() => relay.state().isolated.normal.length > 0, { what: 'probes of the complete log' });
      expect(relay.state().isolated.urgent).toEqual([]);
      expect(await waiting(1)).toBe(20);
      await waitFor(() => admin.ensureTopics(topicSpecs).then(async () => (await waiting(1)) === 0), {
        what: 'the topic made anew and its rows published',
        timeoutMs: 30_000,
        everyMs: 200,
      });
      await waitFor(() => relay.state().isolated.normal.length === 0, {
        what: 'every partition back in the common batch',
      });
    } finally {
      await admin.close();
      await relay.stop();
    }
  }, 90_000);
});

describe('stopping', () => {
  test('with the broker away a relay still leaves within seconds, and its rows stay', async () => {
    const relay = outbox.relay({ log: outbox.quiet });
    relay.start();
    await owning(() => relay.state());
    await own.broker.kill('SIGKILL');
    await outbox.withdraw(1);
    await waitFor(() => relay.state().isolated.urgent.length > 0, { what: 'probes', timeoutMs: 20_000 });
    const began = systemClock.monotonic();
    await relay.stop();
    expect(systemClock.monotonic() - began).toBeLessThan(8_000);
    expect((await outbox.pool.query('SELECT FROM outbox')).rowCount).toBe(2);
  }, 60_000);
});
