import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ModelledWorld, type Happening } from '../testing/modelled-log.ts';
import { drain } from './drain.ts';
import { OwnedShards } from './owned-shards.ts';
import { recordOf } from './records.ts';
import { settle } from './settle.ts';

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), subject: fc.nat(4) }),
  fc.record({ kind: fc.constant('commit' as const), nth: fc.nat(9) }),
);

describe('pages from the lowest id (REL-3)', () => {
  test('with pages of one row, versions committed between two pages still go out in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 200, size: 'max' }), async (happenings) => {
        const world = new ModelledWorld(happenings, [], () => undefined);
        const store = world.store();
        const owned = new OwnedShards();
        for (const shard of [0, 1, 2])
          owned.add(
            { shard, log: { epoch: 0, highestAcked: -1n }, lastLedgerNumber: 0, republishSince: null },
            'sound',
          );
        while (!world.over) {
          const answeredBefore = world.rows.filter(({ committedAt }) => committedAt !== null);
          const { complete } = await drain(owned.all(), {
            pageRows: 3,
            read: (open, perShard) =>
              store.readPage('urgent', { shards: open.map(({ shard }) => shard), floors: [], upTo: null, perShard }),
            publish: async (rows) => {
              const { confirmed, failed } = settle(
                rows,
                await world.publisher.publish(rows.map((row) => recordOf('s', row))),
              );
              await store.deleteRows(
                'urgent',
                confirmed.map(({ id }) => id),
              );
              return failed;
            },
            goOn: () => true,
          });
          expect(complete.map(({ shard }) => shard).sort((a, b) => a - b)).toEqual([0, 1, 2]);
          expect(answeredBefore.every(({ deleted }) => deleted)).toBe(true);
        }
        for (const records of world.log.values()) {
          const newest = new Map<string, number>();
          for (const { key, value } of records) {
            const { version } = JSON.parse(String(value)) as { version: number };
            expect(version).toBe((newest.get(String(key)) ?? 0) + 1);
            newest.set(String(key), version);
          }
        }
      }),
    );
  });
});
