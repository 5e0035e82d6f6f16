import pg from 'pg';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { distribution, type Person } from '@entente/local';
import { accepted, startWorld, withdraw, type World } from './world.ts';

const backlogRows = 1_000_000;
const sample = 100;
const perSecond = 10;

let world: World;

beforeAll(async () => {
  world = await startWorld({ people: 2 * sample });
}, 180_000);
afterAll(() => world.stop());

/** Commit to the last gate closed, for each of these people, in milliseconds. */
async function gateClosed(people: readonly Person[]): Promise<number[]> {
  const answered = await Promise.all(
    people.map(async (person, index) => {
      await pause((index * 1000) / perSecond);
      return withdraw(world.operator, person);
    }),
  );
  const propagations = await Promise.all(
    answered.map(({ change }) => accepted(world.operator, change.changeId, 240_000)),
  );
  return propagations.map(({ recipients }) => Math.max(...recipients.map(({ gateClosedMs }) => gateClosedMs!)));
}

/** Grants of people nobody shares, as an import would leave them behind: rows of the normal lane, and nothing else. */
async function plant(rows: number): Promise<void> {
  const client = new pg.Client({
    connectionString: world.infrastructure.databaseUrl,
    options: '-c search_path=consent',
  });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
       SELECT gen_random_uuid(), 'consent.changes.v1', key, 'org.entente.consent.changed.v1',
         jsonb_build_object('controller', 'acme', 'subjectKey', key, 'version', 1, 'catalogue', 1, 'direction', 'grant',
           'vector', '{}'::jsonb, 'changes', '[]'::jsonb, 'recipients', '[]'::jsonb, 'sealed', '{}'::jsonb,
           'committedAt', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
         1, (n % 12)::smallint
       FROM (SELECT n, 'k1.' || rpad(to_hex(n), 22, '0') AS key FROM generate_series(1, $1) AS n) AS people`,
      [rows],
    );
  } finally {
    await client.end();
  }
}

async function waiting(): Promise<number> {
  const client = new pg.Client({
    connectionString: world.infrastructure.databaseUrl,
    options: '-c search_path=consent',
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM outbox WHERE lane = 1');
    return Number(rows[0]!.count);
  } finally {
    await client.end();
  }
}

test('a million grants waiting in the normal lane: withdrawals propagate at most three times slower at p99 (REC-6, REL-3)', async () => {
  const quiet = distribution(await gateClosed(world.people.slice(0, sample)))!;
  await plant(backlogRows);
  const before = await waiting();
  const behind = distribution(await gateClosed(world.people.slice(sample)))!;
  const after = await waiting();
  process.stderr.write(
    `gate closed: quiet p50 ${quiet.p50} p99 ${quiet.p99} ms; behind ${before} rows p50 ${behind.p50} p99 ${behind.p99} ms (${after} rows left)\n`,
  );
  expect(before).toBeGreaterThan(backlogRows * 0.9);
  expect(after).toBeGreaterThan(0);
  expect(behind.p99).toBeLessThanOrEqual(3 * quiet.p99);
}, 600_000);
