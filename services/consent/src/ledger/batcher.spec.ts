import { systemClock } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Batcher } from './batcher.ts';
import type { BatcherOptions } from './batcher.ts';

class Passing extends Error {}

function batcher(
  commit: (batch: readonly number[]) => Promise<readonly string[]>,
  more: Partial<BatcherOptions<number, string>> = {},
) {
  return new Batcher<number, string>({
    commit,
    failureOf: (error) => (error instanceof Passing ? 'passing' : 'final'),
    gaveUp: () => new Error('gave up'),
    overloaded: () => new Error('overloaded'),
    concurrency: 2,
    maxBatch: 3,
    coalesceMs: 2,
    deadlineMs: 200,
    maxQueued: 100,
    placeOf: (number) => ({ lane: number > 1_000 ? 'flood' : 'acme', key: String(number) }),
    clock: systemClock,
    ...more,
  });
}

const answers = (batch: readonly number[]) => batch.map((number) => `r${number}`);

/** A commit that is held until the test lets it go. */
function held() {
  const batches: { batch: readonly number[]; release: () => void }[] = [];
  return {
    batches,
    commit: (batch: readonly number[]) =>
      new Promise<readonly string[]>((resolve) => batches.push({ batch, release: () => resolve(answers(batch)) })),
  };
}

describe('REC-2 group commit', () => {
  test('an idle system commits at once', () => {
    const { batches, commit } = held();
    void batcher(commit).submit(1);
    expect(batches.map(({ batch }) => batch)).toEqual([[1]]);
  });

  test('what arrives while a transaction is in flight shares the next one', async () => {
    const { batches, commit } = held();
    const queue = batcher(commit, { concurrency: 1 });
    const all = [1, 2, 3].map((number) => queue.submit(number));
    batches[0]?.release();
    await all[0];
    await new Promise(setImmediate);
    expect(batches.map(({ batch }) => batch)).toEqual([[1], [2, 3]]);
    batches[1]?.release();
    expect(await Promise.all(all)).toEqual(['r1', 'r2', 'r3']);
  });

  test('with a connection to spare nobody waits longer than the coalescing time', async () => {
    const { batches, commit } = held();
    const queue = batcher(commit);
    void queue.submit(1);
    void queue.submit(2);
    expect(batches).toHaveLength(1);
    while (batches.length < 2) await new Promise(setImmediate);
    expect(batches[1]?.batch).toEqual([2]);
  });

  test('a batch is no larger than allowed', async () => {
    const sizes: number[] = [];
    const queue = batcher((batch) => {
      sizes.push(batch.length);
      return Promise.resolve(answers(batch));
    });
    await Promise.all(Array.from({ length: 20 }, (_, number) => queue.submit(number)));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20);
  });

  test('a failed batch is retried one by one: only the culprit fails', async () => {
    const queue = batcher(
      (batch) => (batch.includes(2) ? Promise.reject(new Error('poison')) : Promise.resolve(answers(batch))),
      { concurrency: 1 },
    );
    const results = await Promise.allSettled([1, 2, 3, 4].map((number) => queue.submit(number)));
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual([
      'r1',
      'failed',
      'r3',
      'r4',
    ]);
  });

  test('a passing failure is retried inside', async () => {
    let left = 3;
    const queue = batcher((batch) =>
      (left -= 1) > 0 ? Promise.reject(new Passing()) : Promise.resolve(answers(batch)),
    );
    expect(await queue.submit(1)).toBe('r1');
  });

  test('one that does not pass is given up after the deadline', async () => {
    const queue = batcher(() => Promise.reject(new Passing()), { deadlineMs: 50 });
    await expect(queue.submit(1)).rejects.toThrow('gave up');
  });

  test('a full queue refuses', async () => {
    const { commit } = held();
    const queue = batcher(commit, { concurrency: 1, maxQueued: 1 });
    void queue.submit(1);
    void queue.submit(2);
    await expect(queue.submit(3)).rejects.toThrow('overloaded');
    // DENY IS NEVER BLOCKED by what another controller does.
    let refused = false;
    void queue.submit(1_001).catch(() => (refused = true));
    await new Promise(setImmediate);
    expect(refused).toBe(false);
  });

  test('what failed in company and is tried alone meets nothing newer of the same person', async () => {
    const committed: string[] = [];
    let first = true;
    const queue = new Batcher<string, string>({
      commit: (batch) => {
        // The batch fails as a whole, then its first request twice more: time enough for the newer one.
        if (batch.includes('acme 1') && (batch.length > 1 || first)) {
          first = batch.length > 1;
          return Promise.reject(new Passing());
        }
        committed.push(...batch);
        return Promise.resolve(batch);
      },
      ...{
        failureOf: () => 'passing' as const,
        gaveUp: () => new Error('gave up'),
        overloaded: () => new Error('full'),
      },
      ...{ concurrency: 2, maxBatch: 10, coalesceMs: 2, deadlineMs: 1_000, maxQueued: 100, clock: systemClock },
      placeOf: (command) => ({ lane: 'acme', key: command.split(' ')[0]! }),
    });
    const before = ['x', 'y'].map((name) => queue.submit(name));
    const asked = ['acme 1', 'other 1', 'acme 2'].map((name) => queue.submit(name));
    await Promise.all(before);
    await new Promise((resolve) => setTimeout(resolve, 4));
    const newer = queue.submit('acme 3');
    await Promise.all([...asked, newer]);
    expect(committed.filter((name) => name.startsWith('acme'))).toEqual(['acme 1', 'acme 2', 'acme 3']);
  });

  test('ORDER: whatever fails, everybody is answered and each person’s requests are committed as they arrived', async () => {
    const request = fc.record({ key: fc.constantFrom('a', 'b', 'c'), fails: fc.constantFrom(0, 0, 0, 1, 2, Infinity) });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
        const left = requests.map(({ fails }) => fails);
        const committed: number[] = [];
        const queue = batcher(
          async (batch) => {
            await new Promise(setImmediate);
            const bad = batch.filter((index) => left[index]! > 0);
            for (const index of bad) left[index]! -= 1;
            if (bad.some((index) => left[index] === Infinity)) throw new Error('poison');
            if (bad.length > 0) throw new Passing();
            committed.push(...batch);
            return answers(batch);
          },
          { placeOf: (index) => ({ lane: 'acme', key: requests[index]!.key }), random: () => 0, deadlineMs: 10_000 },
        );
        const ends = await Promise.allSettled(requests.map((_, index) => queue.submit(index)));
        expect(ends.map(({ status }) => status)).toEqual(
          requests.map(({ fails }) => (fails === Infinity ? 'rejected' : 'fulfilled')),
        );
        const of = (indexes: readonly number[]) => Map.groupBy(indexes, (index) => requests[index]!.key);
        for (const [, indexes] of of(committed)) expect(indexes).toEqual(indexes.toSorted((one, other) => one - other));
      }),
      { numRuns: 40 },
    );
  });
});
