import { controllerId, partitionCount, topics, uuidv7 } from '@entente/contracts';
import { createLogger, systemClock } from '@entente/observability';
import { createPool, migrate, type Pool } from '@entente/postgres';
import { testDatabase } from '@entente/test-support';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { opsMigrations } from '../migrations/index.ts';
import { delays, overview } from '../read/overview.ts';
import { LogHorizon } from './log-horizon.ts';
import type { Heard } from './learn.ts';

const acme = controllerId('acme');
const log = createLogger({ service: 'ops-test', level: 'silent' });
let database: Awaited<ReturnType<typeof testDatabase>>;
let pool: Pool;

beforeAll(async () => {
  database = await testDatabase('ops_horizon');
  await migrate({ url: database.url, schema: 'ops', migrations: opsMigrations, log });
  pool = createPool({ url: database.url, schema: 'ops', name: 'horizon-test', max: 2 });
  await pool.query(
    `INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, 'meta-ads', 'Meta', 'ads', true)`,
    [acme],
  );
}, 60_000);
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  await pool.query('TRUNCATE log_horizon, gate_start');
  // The connector itself is well: nothing but the tracker's own sight is in question here.
  await pool.query(
    `INSERT INTO gate_start (start_id, gate, controller, recipients, first_beat_at, last_beat_at)
     VALUES ('s', 'g', $1, '{meta-ads}', clock_timestamp(), clock_timestamp())`,
    [acme],
  );
});

/** As the tracker hears it: the pass of the relay began that long ago. */
const watermark = (agoMs: number): Heard[] => {
  const passTime = new Date(systemClock.now() - agoMs).toISOString();
  const event = { type: 'org.entente.relay.watermark.v1', id: uuidv7(systemClock.now()), data: { passTime } };
  return [{ event } as unknown as Heard];
};
const every = Array.from({ length: partitionCount }, (_, partition) => partition);
const hear = (horizon: LogHorizon, partitions: readonly number[], agoMs: number): void =>
  partitions.forEach((partition) => horizon.heard({ topic: topics.revocations, partition }, watermark(agoMs)));

const hearEvery = async (agoMs: number): Promise<void> => {
  const horizon = new LogHorizon();
  hear(horizon, every, agoMs);
  await horizon.store(pool);
};

const shown = async (asked: Pool = pool) => {
  const question = { controller: acme, trackerSees: true, deadlineMs: 60_000, nowMs: systemClock.now() };
  const { allEnforced, knownUntil, connectors } = await overview(asked, question, {
    figures: await delays(pool, acme),
    clockSkewS: 0,
    alerts: null,
  });
  return { allEnforced, known: knownUntil !== null, status: connectors[0]?.status };
};
const peace = { allEnforced: true, known: true, status: 'QUIET' };
const blind = { allEnforced: false, status: 'BLIND' };

test('a fresh installation says nothing until every partition has been heard', async () => {
  expect(await shown()).toEqual({ ...blind, known: false });
  const horizon = new LogHorizon();
  hear(horizon, every.slice(1), 100);
  await horizon.store(pool);
  expect(await shown()).toEqual({ ...blind, known: false });
  hear(horizon, [0], 50);
  await horizon.store(pool);
  expect(await shown()).toEqual(peace);
});

test('a relay that stopped, or a broker that is away, is not peace: watermarks grow old', async () => {
  const horizon = new LogHorizon();
  hear(horizon, every, 2_000);
  await horizon.store(pool);
  expect(await shown()).toEqual(peace);
  await pool.query(`UPDATE log_horizon SET known_until = known_until - interval '2 seconds'`);
  expect(await shown()).toEqual({ ...blind, known: true });
});

test('an instance that is stuck blinds the other, which reads the rest of the partitions well', async () => {
  const [stuck, well] = [new LogHorizon(), new LogHorizon()];
  hear(stuck, every.slice(0, 6), 5_000);
  hear(well, every.slice(6), 100);
  await Promise.all([stuck.store(pool), well.store(pool)]);
  expect(await shown()).toEqual({ ...blind, known: true });
  // It has taken over.
  hear(well, every, 50);
  await well.store(pool);
  expect(await shown()).toEqual(peace);
});

test('after a restart nothing is claimed of the time it was not there, and what was known is not lost', async () => {
  const before = new LogHorizon();
  hear(before, every, 10_000);
  await before.store(pool);
  const after = new LogHorizon();
  expect(await shown()).toEqual({ ...blind, known: true });
  hear(after, every, 30_000);
  await after.store(pool);
  const { rows } = await pool.query<{ old: boolean }>(
    `SELECT bool_or(known_until < clock_timestamp() - interval '20 seconds') AS old FROM log_horizon`,
  );
  expect(rows[0]?.old).toBe(false);
});

test('only the express lane counts: the complete log may lag behind without a denial missing', async () => {
  const horizon = new LogHorizon();
  for (const partition of every) horizon.heard({ topic: topics.changes, partition }, watermark(0));
  await horizon.store(pool);
  expect(await shown()).toEqual({ ...blind, known: false });
});

test('what is said of now stands beside a time of now: a horizon that moves on meanwhile changes neither', async () => {
  await hearEvery(8_000);
  let looks = 0;
  const movingOn = {
    query: async (sql: string, values?: unknown[]) => {
      const answer = await pool.query(sql, values);
      if (sql.includes('FROM log_horizon') && (looks += 1) === 1)
        await pool.query('UPDATE log_horizon SET known_until = clock_timestamp()');
      return answer;
    },
  };
  expect(await shown(movingOn as unknown as Pool)).toEqual({ ...blind, known: true });
  expect(await shown()).toEqual(peace);
});
