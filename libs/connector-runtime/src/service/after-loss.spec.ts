import { createLogger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { beforeEach, expect, jest, test } from '@jest/globals';
import { AfterLoss } from './after-loss.ts';

/** The row of `known_database`, whose writes may fail. */
class FakePool {
  owed: string | null = null;
  failing = false;
  #marks = 0;

  query(sql: string, values: readonly string[] = []): Promise<{ rows: object[] }> {
    if (this.failing) return Promise.reject(new Error('no database'));
    if (sql.includes('INSERT INTO known_database')) this.owed = `mark ${(this.#marks += 1)}`;
    else if (sql.includes('SET comparison_owed_since = NULL') && this.owed === values[0]) this.owed = null;
    return Promise.resolve({ rows: [{ since: this.owed }] });
  }
}

let pool: FakePool;
let runs: (() => void)[];
let afterLoss: AfterLoss;
const settled = () => jest.advanceTimersByTimeAsync(0);
const ended = async (run: number): Promise<void> => {
  runs[run]?.();
  await settled();
};

beforeEach(() => {
  jest.useFakeTimers();
  pool = new FakePool();
  runs = [];
  const reconciler = { run: () => new Promise<void>((resolve) => runs.push(resolve)) };
  afterLoss = new AfterLoss({
    ...{ pool: pool as unknown as Pool, reconciler, forget: () => undefined, openCatalogue: () => undefined },
    ...{ signal: new AbortController().signal, log: createLogger({ service: 'test', level: 'silent' }) },
  });
});

test('gaps of many partitions at once are one comparison, and one more that begins after the last of them', async () => {
  for (let partition = 0; partition < 12; partition += 1) afterLoss.logLost();
  await settled();
  expect([runs.length, pool.owed]).toEqual([1, 'mark 12']);
  await ended(0);
  expect(runs.length).toBe(2);
  await ended(1);
  expect([runs.length, pool.owed]).toEqual([2, null]);
});

test('one noticed while a comparison is made stays owed until another has begun after it', async () => {
  afterLoss.logLost();
  await settled();
  afterLoss.logLost();
  await settled();
  await ended(0);
  expect([runs.length, pool.owed]).toEqual([2, 'mark 2']);
  await ended(1);
  expect(pool.owed).toBeNull();
});

test('a mark that cannot be stored is stored later, and nothing is compared before', async () => {
  pool.failing = true;
  afterLoss.logLost();
  await settled();
  pool.failing = false;
  expect([runs.length, pool.owed]).toEqual([0, null]);
  await jest.advanceTimersByTimeAsync(5_000);
  expect([runs.length, pool.owed]).toEqual([1, 'mark 1']);
});

test('what another process left is gone on with, once', async () => {
  afterLoss.goOnComparing();
  await settled();
  expect(runs.length).toBe(0);
  pool.owed = 'mark of another';
  for (let look = 0; look < 2; look += 1) {
    afterLoss.goOnComparing();
    await settled();
  }
  expect(runs.length).toBe(1);
  await ended(0);
  expect([runs.length, pool.owed]).toEqual([1, null]);
});
