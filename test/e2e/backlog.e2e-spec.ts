import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { partitionOf } from '@entente/kafka';
import { distribution, type Person } from '@entente/local';
import { createPool, type Pool } from '@entente/postgres';
import { accepted, startWorld, withdraw, type World } from './world.ts';

const backlogRows = 1_000_000;
const plantedAtOnce = 100_000;
const sample = 100;
/** Withdrawals before the first counted one: code that has just started is not what a quiet system is. */
const warmUp = 40;
const perSecond = 10;

let world: World;
let pool: Pool;

beforeAll(async () => {
  world = await startWorld({ people: warmUp + 2 * sample });
  pool = createPool({ url: world.infrastructure.databaseUrl, schema: 'consent', name: 'backlog-test', max: 1 });
}, 180_000);
afterAll(async () => {
  await pool.end();
  await world.stop();
});

/** Commit to the last gate closed, for each of these people, in milliseconds. */
async function gateClosed(people: readonly Person[]): Promise<number[]> {
  const answered = await Promise.all(
    people.map(async (person, index) => {
      await pause((index * 1000) / perSecond);
      return withdraw(world.operator, person);
    }),
  );
  const closed: number[] = [];
  for (const { change } of answered) {
    const { recipients } = await accepted(world.operator, change.changeId, 240_000);
    closed.push(Math.max(...recipients.map(({ gateClosedMs }) => gateClosedMs!)));
  }
  return closed;
}

/** Grants of people nobody shares, as an import would leave them behind: rows of the normal lane, and nothing else. */
async function plant(from: number, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, index) => `k1.${(from + index).toString(16).padStart(22, '0')}`);
  await pool.query(
    `INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
     SELECT gen_random_uuid(), 'consent.changes.v1', key, 'org.entente.consent.changed.v1',
       jsonb_build_object('controller', 'acme', 'subjectKey', key, 'version', 1, 'catalogue', 1, 'direction', 'grant',
         'vector', '{}'::jsonb, 'changes', '[]'::jsonb, 'recipients', '[]'::jsonb, 'sealed', '{}'::jsonb,
         'committedAt', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
       1, shard
     FROM unnest($1::text[], $2::smallint[]) AS people(key, shard)`,
    [keys, keys.map((key) => partitionOf(key))],
  );
}

async function waiting(): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*) FROM outbox WHERE lane = 1');
  return rows[0]!.count;
}

test('a million grants waiting in the normal lane: withdrawals propagate at most three times slower at p99 (REC-6, REL-3)', async () => {
  await gateClosed(world.people.slice(0, warmUp));
  const quiet = distribution(await gateClosed(world.people.slice(warmUp, warmUp + sample)))!;
  for (let from = 0; from < backlogRows; from += plantedAtOnce) await plant(from, plantedAtOnce);
  const before = await waiting();
  const behind = distribution(await gateClosed(world.people.slice(warmUp + sample)))!;
  const after = await waiting();
  process.stderr.write(
    `gate closed: quiet p50 ${quiet.p50} p99 ${quiet.p99} ms; behind ${before} rows p50 ${behind.p50} p99 ${behind.p99} ms (${after} rows left)\n`,
  );
  expect(before).toBeGreaterThan(backlogRows * 0.8);
  expect(after).toBeGreaterThan(backlogRows * 0.5);
  expect(behind.p99).toBeLessThanOrEqual(3 * quiet.p99);
}, 600_000);
