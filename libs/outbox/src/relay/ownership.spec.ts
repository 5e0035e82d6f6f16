import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { candidates, rebalance } from './ownership.ts';

describe('REL-2: the share of an instance', () => {
  test.each([
    { owned: [], instances: 1, acquire: 12, release: [] },
    { owned: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], instances: 2, acquire: 0, release: [6, 7, 8, 9, 10, 11] },
    { owned: [3, 1], instances: 5, acquire: 1, release: [] },
    { owned: [1, 2, 3, 4], instances: 5, acquire: 0, release: [4] },
    { owned: [], instances: 0, acquire: 12, release: [] },
  ])('$owned among $instances: take $acquire, hand over $release', ({ owned, instances, acquire, release }) => {
    expect(rebalance(owned, instances, 12)).toEqual({ acquire, release });
  });

  test('any number of instances settles with every shard owned once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 15 }), fc.nat(), (instances, seed) => {
        const owner = new Map<number, number>();
        for (let round = 0; round < 4; round += 1)
          for (let i = 0; i < instances; i += 1) {
            const owned = [...owner].filter(([, by]) => by === i).map(([shard]) => shard);
            const { acquire, release } = rebalance(owned, instances, 12);
            for (const shard of release) owner.delete(shard);
            const free = candidates(new Set(owned), 12, (seed + i) % 12).filter((shard) => !owner.has(shard));
            for (const shard of free.slice(0, acquire)) owner.set(shard, i);
          }
        expect(owner.size).toBe(12);
      }),
    );
  });
});
