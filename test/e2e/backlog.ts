import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { partitionOf } from '@entente/kafka';
import { distribution, type Person } from '@entente/local';
import { systemClock } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import { accepted, withdraw, type World } from './world.ts';

const backlogRows = 1_000_000;
const plantedAtOnce = 100_000;
/**
 * Rounds behind the backlog and as many without it, most before and the rest after, so that a machine that slows down for
 * good slows both sides. The limit is missed when the whole interval of the rounds misses it (reliability-plan §8): p99 of 40
 * is their slowest, and one pause of the machine is not the system's.
 */
const rounds = 3;
const quietBefore = 2;
const sample = 40;
/** Withdrawals before the first counted one: code that has just started is not what a quiet system is. */
const warmUp = 40;
const perSecond = 10;

/** People the measurement uses up. */
export const backlogPeople = warmUp + 2 * rounds * sample;

/** Commit to the last gate closed, for each of these people, in milliseconds. */
async function gateClosed(world: World, people: readonly Person[]): Promise<number[]> {
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

/** p99 of each round, in milliseconds. */
async function rounds99(world: World, people: Person[], count: number): Promise<number[]> {
  const each: number[] = [];
  for (let round = 0; round < count; round += 1)
    each.push(distribution(await gateClosed(world, people.splice(0, sample)))!.p99);
  return each;
}

/**
 * Grants of people nobody shares, as an import would leave them behind: rows of the normal lane, and nothing else. They carry
 * ids of changes that the ledger has: a relay that has to connect again compares the logs with it (RST-4).
 */
async function plant(pool: Pool, from: number, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, index) => `k1.${(from + index).toString(16).padStart(22, '0')}`);
  await pool.query(
    `INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
     SELECT known[1 + n % cardinality(known)], 'consent.changes.v1', key, 'org.entente.consent.changed.v1',
       ('{"controller":"acme","subjectKey":"' || key || '","version":1,"catalogue":1,"direction":"grant","vector":{},'
         || '"changes":[],"recipients":[],"sealed":{},"committedAt":"' || $3 || '"}')::jsonb,
       1, shard
     FROM unnest($1::text[], $2::smallint[]) WITH ORDINALITY AS people(key, shard, n),
          (SELECT array_agg(change_id) AS known FROM ledger_entry) AS ledger`,
    [keys, keys.map((key) => partitionOf(key)), new Date(systemClock.now()).toISOString()],
  );
}

/** Takes away what was planted and still waits, a little at a time: the relay must not wait for a row it publishes. */
async function unplant(pool: Pool): Promise<void> {
  for (let taken = 1; taken > 0;) {
    const { rowCount } = await pool.query(
      `DELETE FROM outbox_normal WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM outbox_normal WHERE aggregateid LIKE 'k1.00000000000000000%' LIMIT 20000 FOR UPDATE SKIP LOCKED))`,
    );
    taken = rowCount ?? 0;
  }
  await pool.query('VACUUM outbox_normal');
  await pool.query('CHECKPOINT');
}

async function waiting(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*) FROM outbox WHERE lane = 1');
  return rows[0]!.count;
}

/**
 * A million grants waiting in the normal lane: withdrawals propagate at most three times slower at p99 than without them
 * (REC-6, REL-3).
 */
export async function withdrawBehindAMillionGrants(world: World, people: readonly Person[]): Promise<void> {
  const pool = createPool({ url: world.infrastructure.databaseUrl, schema: 'consent', name: 'backlog-test', max: 1 });
  try {
    const waitingPeople = [...people];
    await gateClosed(world, waitingPeople.splice(0, warmUp));
    const before99 = await rounds99(world, waitingPeople, quietBefore);
    for (let from = 0; from < backlogRows; from += plantedAtOnce) await plant(pool, from, plantedAtOnce);
    // The disk work of planting by SQL is the test's, not the system's.
    await pool.query('CHECKPOINT');
    const before = await waiting(pool);
    const behind = await rounds99(world, waitingPeople, rounds);
    const after = await waiting(pool);
    await unplant(pool);
    const quiet = [...before99, ...(await rounds99(world, waitingPeople, rounds - quietBefore))];
    process.stderr.write(
      `gate closed, p99 of each round: quiet ${quiet.join(', ')} ms; behind ${before} rows ${behind.join(', ')} ms (${after} rows left)\n`,
    );
    expect(before).toBeGreaterThan(backlogRows * 0.8);
    expect(after).toBeGreaterThan(backlogRows * 0.5);
    expect(Math.min(...behind)).toBeLessThanOrEqual(3 * Math.max(...quiet));
  } finally {
    await pool.end();
  }
}
