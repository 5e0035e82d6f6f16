import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLogger } from '@entente/observability';
import { createClient } from '@entente/postgres';
import type { Client } from '@entente/postgres';
import { parseKeyRing, topics } from '@entente/contracts';
import { partitionOf } from '@entente/kafka';
import { parseKeyRings } from '../config.ts';
import { CONSENT_SCHEMA } from '../migrations/schema.ts';
import { testDatabase } from '@entente/test-support';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';
import { KeyExpiry } from './expire-keys.ts';
import { ConsentLedgerPort } from './ledger-port.ts';
import { Republisher } from './republish.ts';
import { Sequencer } from './sequencer.ts';

let consent: ConsentUnderTest;
let client: Client;
let port: ConsentLedgerPort;
const log = createLogger({ service: 'test', level: 'silent' });

beforeAll(async () => {
  consent = await startConsent(await testDatabase('sequencer'));
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
  client = createClient({ url: consent.databaseUrl, schema: CONSENT_SCHEMA, name: 'relay' });
  await client.connect();
  const { identifierKeys, audienceKeys } = consent.config;
  port = new ConsentLedgerPort(
    new Republisher({ identifierKeys: parseKeyRing(identifierKeys), audienceKeys: parseKeyRings(audienceKeys), log }),
  );
});
afterAll(async () => {
  await client?.end();
  await consent?.stop();
});

describe('REC-5 the sequencer', () => {
  test('an empty ledger has head 0 of zeros', async () => {
    const facts = await port.facts(client);
    expect(facts).toEqual({ catalogue: 1, incarnation: 0, ledger: { number: 0, hash: '0'.repeat(64) } });
    expect(await port.holdsHead(client, facts.ledger, 0)).toBe(true);
  });

  test('L-2 several sequencers under concurrent writes: no gap, no entry twice, hashes right', async () => {
    const sequencers = Array.from({ length: 3 }, () => new Sequencer(consent.parts.pool, log));
    sequencers.forEach((sequencer) => sequencer.start());
    for (let round = 0; round < 5; round += 1)
      await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          consent.post('/v1/withdrawals', { subjectId: `person-${round}-${index % 50}` }),
        ),
      );
    await Promise.all(sequencers.map((sequencer) => sequencer.stop()));
    const last = new Sequencer(consent.parts.pool, log);
    while ((await last.numberPending()) > 0);
    const { rows } = await consent.pool.query<{ number: number; hash: string; salt: Buffer; entry: string }>(`
      SELECT c.number, encode(c.hash, 'hex') AS hash, e.salt, e.entry
        FROM ledger_chain c JOIN ledger_entry e ON e.id = c.entry_id ORDER BY number`);
    const { rows: counted } = await consent.pool.query(
      `SELECT (SELECT count(*)::int FROM ledger_entry) AS entries, (SELECT count(*)::int FROM ledger_pending) AS pending`,
    );
    expect(counted).toEqual([{ entries: rows.length, pending: 0 }]);
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, index) => index + 1));
    let hash = Buffer.alloc(32);
    for (const row of rows) {
      const digest = createHash('sha256')
        .update(Buffer.from([1]))
        .update(row.salt)
        .update(row.entry, 'utf8')
        .digest();
      hash = createHash('sha256').update(hash).update(digest).digest();
      expect(row.hash).toBe(hash.toString('hex'));
    }
    const { ledger } = await port.facts(client);
    expect(ledger).toEqual({ number: rows.length, hash: hash.toString('hex') });
    expect(await port.holdsHead(client, ledger, 0)).toBe(true);
    expect(await port.holdsHead(client, { ...ledger, hash: 'f'.repeat(64) }, 0)).toBe(false);
    expect(await port.holdsHead(client, { ...ledger, number: ledger.number + 1 }, 0)).toBe(false);
  });

  test('what waits for a number is nothing a writer looks up or locks, and an id without an entry holds no other up', async () => {
    const { rows } = await consent.pool.query(
      `SELECT tgname FROM pg_trigger WHERE tgrelid = 'ledger_pending'::regclass AND tgtype & 4 = 4`,
    );
    expect(rows).toEqual([]);
    await consent.pool.query('INSERT INTO ledger_pending (entry_id) VALUES (0)');
    try {
      const { body } = await consent.post('/v1/withdrawals', { subjectId: 'behind-nothing' });
      expect(await new Sequencer(consent.parts.pool, log).numberPending()).toBe(1);
      const { rows: numbered } = await consent.pool.query(
        `SELECT e.change_id AS id FROM ledger_chain c JOIN ledger_entry e ON e.id = c.entry_id ORDER BY c.number DESC LIMIT 1`,
      );
      expect(numbered).toEqual([{ id: String(body['changeId']).slice('chg_'.length) }]);
    } finally {
      await consent.pool.query('DELETE FROM ledger_pending WHERE entry_id = 0');
    }
  });

  test('the ledger is append-only', async () => {
    for (const statement of [
      'UPDATE ledger_entry SET version = 9',
      'DELETE FROM ledger_chain',
      'TRUNCATE ledger_entry CASCADE',
    ])
      await expect(consent.pool.query(statement)).rejects.toThrow('append-only');
  });
});

test('Idempotency-Keys are forgotten after two days, not before', async () => {
  const plant = (key: string, hours: number) =>
    consent.pool.query(
      `INSERT INTO idempotency (controller, client, route, key, fingerprint, answer, created_at)
       VALUES ('acme', 'c', 'r', $1, 'f', '{}', now() - make_interval(hours => $2))`,
      [key, hours],
    );
  await plant('young', 47);
  await plant('old', 49);
  await new KeyExpiry(consent.parts.pool, log).expire();
  const { rows } = await consent.pool.query<{ key: string }>('SELECT key FROM idempotency');
  expect(rows).toEqual([{ key: 'young' }]);
});

describe('what the relay asks', () => {
  test('RST-4 a published change that the ledger does not hold is seen, until a restore has merged that part of the log', async () => {
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'versions' });
    const place = { topic: topics.changes, partition: 3, offset: 41n };
    const held = { ...place, changeId: String(body['changeId']).slice('chg_'.length) };
    const lost = { ...place, changeId: randomUUID() };
    expect(await port.holdsChanges(client, [held])).toBe(true);
    expect(await port.holdsChanges(client, [held, lost])).toBe(false);
    expect(await port.holdsChanges(client, [])).toBe(true);
    const foreign = { number: 7, hash: 'f'.repeat(64) };
    const merged = (ends: object) =>
      client.query(`INSERT INTO restore (merged_below, ends, report) VALUES (1, $1, '{}')`, [ends]);
    await merged({ 'consent.changes.v1:3': '41' });
    expect(await port.holdsChanges(client, [lost])).toBe(false);
    expect(await port.holdsHead(client, foreign, 0)).toBe(true);
    expect(await port.holdsHead(client, foreign, 1)).toBe(false);
    await merged({ 'consent.changes.v1:3': '42' });
    expect(await port.holdsChanges(client, [lost])).toBe(true);
    expect(await port.holdsChanges(client, [{ ...lost, topic: topics.revocations }])).toBe(false);
  });

  test('REL-5 what a lost shard told goes out again as it was, each change on the lanes it took', async () => {
    while ((await consent.parts.sequencer.numberPending()) > 0);
    const { ledger } = await port.facts(client);
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'lost', purposes: ['analytics'] });
    await consent.post('/v1/withdrawals', { subjectId: 'lost', purposes: ['ad-targeting'] });
    await consent.post('/v1/consents', grantAll('lost'), { headers: { 'idempotency-key': 'lost' } });
    const recorded = await client.query<{ id: string; committedAt: string }>(
      `SELECT change_id AS id, entry::jsonb ->> 'committedAt' AS "committedAt" FROM ledger_entry
        WHERE subject_key = $1 ORDER BY version`,
      [body['subjectKey']],
    );
    await client.query('DELETE FROM outbox');
    const shard = partitionOf(String(body['subjectKey']));
    await port.republish(client, (shard + 1) % 12, ledger.number);
    expect((await client.query('SELECT 1 FROM outbox')).rowCount).toBe(0);
    await port.republish(client, shard, ledger.number);
    const { rows } = await client.query(`SELECT event_id, aggregatetype, shard, payload FROM outbox ORDER BY id`);
    const [express, complete] = ['consent.revocations.v1', 'consent.changes.v1'];
    const denies = (purpose: string, recipient: string) => ({
      ...{ direction: 'deny', changes: [{ purpose, to: 'withdrawn' }], recipients: [recipient] },
    });
    const told = [
      { version: 1, ...denies('analytics', 'segment'), sealed: { analytics: expect.any(String) } },
      { version: 2, ...denies('ad-targeting', 'meta-ads') },
      { version: 3, direction: 'grant', recipients: ['hubspot-crm', 'meta-ads', 'segment'] },
    ].map((payload, index) => ({
      event_id: recorded.rows[index]!.id,
      shard,
      payload: { ...payload, committedAt: recorded.rows[index]!.committedAt },
    }));
    expect(rows).toMatchObject([
      { aggregatetype: express, ...told[0] },
      { aggregatetype: complete, ...told[0] },
      { aggregatetype: express, ...told[1] },
      { aggregatetype: complete, ...told[1] },
      { aggregatetype: complete, ...told[2] },
    ]);
    // What was erased in between is not said again.
    while ((await consent.parts.sequencer.numberPending()) > 0);
    await client.query(`SELECT erase_ledger_contents('acme', $1, 2)`, [String(body['subjectKey'])]);
    await client.query('DELETE FROM outbox');
    await port.republish(client, shard, ledger.number);
    const { rows: after } = await client.query(`SELECT payload FROM outbox ORDER BY id LIMIT 1`);
    expect(after).toMatchObject([{ payload: { version: 2, changes: [{ purpose: 'ad-targeting' }] } }]);
  });
});
