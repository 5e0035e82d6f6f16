import { describe, expect, test } from '@jest/globals';
import { availableParallelism } from 'node:os';
import { campaign } from '../campaign.ts';
import { hunt } from './hunt.ts';
import { mutantNames, mutants } from './mutants.ts';

/** A seed of a loaded machine, milliseconds. */
const seedMs = 8_000;
const mostSeeds = Math.max(...Object.values(mutants).map(({ seeds }) => seeds));

describe('planted bugs (reliability-plan §6)', () => {
  test.each(mutantNames)(
    '%s is caught within its budget of seeds',
    async (name) => {
      expect(await hunt(name, availableParallelism())).toMatchObject({ name, seed: expect.any(Number) });
    },
    mostSeeds * seedMs,
  );

  test(
    'and the system without them breaks nothing in as many seeds as the hardest of them may need',
    async () => {
      const broken: unknown[] = [];
      await campaign({
        ...{ from: 1, seeds: mostSeeds, workers: availableParallelism(), mutant: null },
        onReport: (report) => {
          if (report.broken.length > 0) broken.push(report);
          return report.broken.length === 0;
        },
      });
      expect(broken).toEqual([]);
    },
    mostSeeds * seedMs,
  );
});
