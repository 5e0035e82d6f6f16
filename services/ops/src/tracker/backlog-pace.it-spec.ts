import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { controllerId, partitionCount } from '@entente/contracts';
import { createLogger } from '@entente/observability';
import { createPool, inTransaction, migrate, type Pool } from '@entente/postgres';
import { testDatabase } from '@entente/test-support';
import { opsMigrations } from '../migrations/index.ts';
import { recipientSummaries } from '../read/recipients.ts';
import { lookAtBacklogs } from './look-at-backlogs.ts';

const acme = controllerId('acme');
let database: Awaited<ReturnType<typeof testDatabase>>;
let pool: Pool;

beforeAll(async () => {
  database = await testDatabase('ops_backlog_pace');
  const log = createLogger({ service: 'ops-test', level: 'error' });
  await migrate({ url: database.url, schema: 'ops', migrations: opsMigrations, log });
  pool = createPool({ url: database.url, schema: 'ops', name: 'ops-test', max: 4 });
  for (const id of ['crm', 'ads'])
    await pool.query(`INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, $2, $2, 'crm', true)`, [
      ...[acme, id],
    ]);
  await pool.query(
    `INSERT INTO gate_start (start_id, gate, controller, recipients, first_beat_at, last_beat_at)
     VALUES ('s', 'g', $1, ARRAY['crm', 'ads'], now(), now() + interval '1 minute')`,
    [acme],
  );
  // What was withdrawn is known here up to the present.
  await pool.query(
    `INSERT INTO log_horizon (partition, known_until) SELECT n, now() + interval '1 minute' FROM generate_series(0, $1 - 1) n`,
    [partitionCount],
  );
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const withdrawn = (person: string, recipient: string, state: string, agoMs: number) =>
  pool.query(
    `INSERT INTO propagation (controller, subject_key, version, recipient, committed_at, state)
     VALUES ($1, $2, 1, $3, clock_timestamp() - make_interval(secs => $5 / 1000.0), $4)`,
    [acme, person, recipient, state, agoMs],
  );

/** A look a second after the last one. */
async function look(): Promise<string> {
  await inTransaction(pool, lookAtBacklogs);
  await pool.query(`UPDATE recipient_pace SET looked_at = looked_at - interval '1 second'`);
  const lines = await recipientSummaries(pool, acme, true);
  return lines.map(({ recipient, status, reason }) => `${recipient} ${status} ${reason}`).join(', ');
}

/** So much later everything is so much older. */
const pass = (ms: number) =>
  pool.query(
    `WITH seen AS (UPDATE recipient_pace SET untaken_since = untaken_since - make_interval(secs => $1 / 1000.0))
     UPDATE propagation SET committed_at = committed_at - make_interval(secs => $1 / 1000.0) WHERE settled_at IS NULL`,
    [ms],
  );

test('one withdrawal that is tried again ages by itself: no backlog grows', async () => {
  await withdrawn('alone', 'crm', 'retrying', 1_200);
  for (let looks = 0; looks < 7; looks += 1) {
    expect(await look()).toContain('crm OK in-time');
    await pass(1_000);
  }
  await pool.query(`DELETE FROM propagation`);
  await pool.query(`DELETE FROM recipient_pace`);
});

test('a recipient whose oldest withdrawal waits longer at five looks in a row is SLOW, before anything is late, and its neighbour is not', async () => {
  await withdrawn('p1', 'crm', 'retrying', 1_200);
  await withdrawn('behind-it', 'crm', 'retrying', 300);
  await withdrawn('p2', 'ads', 'retrying', 2_000);
  const said: string[] = [await look()];
  for (let looks = 0; looks < 5; looks += 1) {
    await pass(1_000);
    // The neighbour gets through: its oldest is another one, and younger.
    await pool.query(`UPDATE propagation SET settled_at = now(), accepted_at = now() WHERE recipient = 'ads'`);
    await withdrawn(`next-${looks}`, 'ads', 'retrying', 1_900 - looks * 100);
    said.push(await look());
  }
  const inTime = 'ads OK in-time, crm OK in-time';
  expect(said).toEqual([inTime, inTime, inTime, inTime, inTime, 'ads OK in-time, crm SLOW falling-behind']);
});

test('settled, it is quiet, and what comes next begins anew', async () => {
  await pool.query(`UPDATE propagation SET settled_at = now(), accepted_at = now()`);
  expect(await look()).toBe('ads QUIET nothing-pending, crm QUIET nothing-pending');
  await withdrawn('p3', 'crm', 'retrying', 2_000);
  await withdrawn('p3b', 'crm', 'retrying', 1_000);
  expect(await look()).toContain('crm OK in-time');
  const { rows } = await pool.query<{ rises: number }>(`SELECT rises FROM recipient_pace WHERE recipient = 'crm'`);
  expect(rows).toEqual([{ rises: 1 }]);
});

test('what its connector does not even take is no slow partner: it is late, and stalled after its own limit', async () => {
  await pool.query(`DELETE FROM propagation`);
  await pool.query(`DELETE FROM recipient_pace`);
  await withdrawn('p4', 'crm', 'waiting', 2_000);
  for (let looks = 0; looks < 7; looks += 1) {
    expect(await look()).toContain('crm OK in-time');
    await pass(1_000);
  }
  await pass(5_000);
  expect(await look()).toContain('crm SLOW late');
  await pass(110_000);
  expect(await look()).toContain('crm STALLED no-progress');
});
