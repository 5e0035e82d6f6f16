import { purposeId, subjectKey, type Identifiers, type PurposeId } from '@entente/contracts';
import type { Revocation } from '@entente/connector-runtime';
import { describe, expect, test } from '@jest/globals';
import { missingIdentifier, planRemovals, purposeNotMapped, type RequestCeiling } from './audience-removals.ts';

const [ads, lookalikes] = [purposeId('ads'), purposeId('lookalikes')];
const audiences = { ads: 'A1', lookalikes: 'A2' };
const roomy: RequestCeiling = { rows: 10_000 };
const rowsOf = (sets: readonly Identifiers[]): string[] => sets.flatMap((set) => set['x-email'] ?? []);
const plan = (batch: readonly Revocation[], given: Readonly<Record<string, string>> = audiences, ceiling = roomy) =>
  planRemovals(batch, given, rowsOf, ceiling);

const person = (name: string, allowed: PurposeId[] = [], rows = 1): Revocation => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  version: 2,
  identifiers: Array.from({ length: rows }, (_, index) => ({ 'x-email': `${name}-${index}` })),
  allowed,
  stopped: [],
  recipientPurposes: [ads, lookalikes],
});

describe('the plan of removals', () => {
  test('per audience whose purpose fell away, exactly the rows recorded', () => {
    const [all, some] = [person('a'), person('b', [ads])];
    const { removals, refused } = plan([all, some]);
    expect(removals).toEqual([
      { audience: 'A1', persons: [{ revocation: all, rows: ['a-0'] }] },
      {
        audience: 'A2',
        persons: [
          { revocation: all, rows: ['a-0'] },
          { revocation: some, rows: ['b-0'] },
        ],
      },
    ]);
    expect(refused.size).toBe(0);
  });

  test('a purpose without an audience is named, never skipped, and stops no other purpose', () => {
    const all = person('a');
    const { removals, refused } = plan([all], { ads: 'A1' });
    expect(refused.get(all)).toEqual(purposeNotMapped);
    expect(removals.map(({ audience }) => audience)).toEqual(['A1']);
    expect(plan([person('b', [lookalikes])], { ads: 'A1' }).refused.size).toBe(0);
  });

  test('ACK-TRUTH: a person the partner could not know by anything is in no request', () => {
    const unknown = person('nobody', [ads], 0);
    const { removals, refused } = plan([unknown, person('a', [ads])]);
    expect(refused.get(unknown)).toEqual(missingIdentifier);
    expect(removals.flatMap(({ persons }) => persons.map(({ revocation }) => revocation))).not.toContain(unknown);
  });

  test('an audience that serves two purposes is left once', () => {
    expect(plan([person('a')], { ads: 'A1', lookalikes: 'A1' }).removals).toHaveLength(1);
  });

  test('never more rows or persons in a request than the partner takes; one person’s rows stay together', () => {
    const sizes = (batch: Revocation[], ceiling: RequestCeiling) =>
      plan(batch, audiences, ceiling).removals.map(({ persons }) => persons.flatMap(({ rows }) => rows).length);
    const two = [person('a', [ads], 6), person('b', [ads], 6)];
    expect(sizes(two, { rows: 10 })).toEqual([6, 6]);
    expect(sizes(two, { rows: 12 })).toEqual([12]);
    expect(sizes([person('a', [ads]), person('b', [ads]), person('c', [ads])], { rows: 10, persons: 2 })).toEqual([
      2, 1,
    ]);
  });
});
