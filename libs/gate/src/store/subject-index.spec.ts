import { subjectKey, type SubjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SubjectIndex } from './subject-index.ts';

/** Few bits differ, at either end and in the middle, so that keys share tables and places. */
const keys: fc.Arbitrary<SubjectKey> = fc
  .tuple(fc.constantFrom(0, 1, 7), fc.nat(40), fc.constantFrom(0, 0x55), fc.constantFrom(0, 3))
  .map(([first, fifth, middle, last]) => {
    const bytes = Buffer.alloc(16);
    [bytes[0], bytes[4], bytes[9], bytes[15]] = [first, fifth, middle, last];
    return subjectKey(`k1.${bytes.toString('base64url')}`);
  });

const actions = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('set'), key: keys, version: fc.nat(), vector: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget'), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear') }) },
) as fc.Arbitrary<
  { do: 'set'; key: SubjectKey; version: number; vector: number } | { do: 'forget'; key: SubjectKey } | { do: 'clear' }
>;

describe('the index of subjects', () => {
  test('is a map with forgetting, whatever is set, forgotten and grown', () => {
    fc.assert(
      fc.property(fc.array(actions, { maxLength: 400 }), (all) => {
        const index = new SubjectIndex(1_000_000);
        const model = new Map<SubjectKey, { version: number; vector: number }>();
        for (const action of all) {
          if (action.do === 'clear') {
            index.clear();
            model.clear();
          } else if (action.do === 'forget') {
            index.forget(action.key);
            model.delete(action.key);
          } else {
            const { key, version, vector } = action;
            index.set(key, { version, vector });
            model.set(key, { version, vector });
          }
        }
        for (const key of new Set(all.flatMap((action) => ('key' in action ? [action.key] : []))))
          expect(index.get(key)).toEqual(model.get(key));
      }),
      { numRuns: 200 },
    );
  });

  test('holds a hundred thousand, and versions above what 32 bits hold', () => {
    const index = new SubjectIndex(1_000_000);
    const key = (number: number): SubjectKey => {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt32BE(Math.imul(number, 2_654_435_761) >>> 0, 0);
      bytes.writeUInt32BE(number, 12);
      return subjectKey(`k1.${bytes.toString('base64url')}`);
    };
    for (let number = 0; number < 100_000; number += 1)
      index.set(key(number), { version: 2 ** 40 + number, vector: number % 3 });
    expect(index.size).toBe(100_000);
    for (let number = 0; number < 100_000; number += 997)
      expect(index.get(key(number))).toEqual({ version: 2 ** 40 + number, vector: number % 3 });
    expect(index.get(key(100_001))).toBeUndefined();
  });

  test.each([
    ['another prefix', 'k2.AAAAAAAAAAAAAAAAAAAAAA'],
    ['another length', 'k1.AAAAAAAAAAAAAAAAAAAAA'],
    ['bits beyond the 128', 'k1.AAAAAAAAAAAAAAAAAAAAAB'],
    ['another alphabet', 'k1.AAAAAAAAAAAAAAAAAAAAé='],
  ])('does not know a key with %s', (_what, text) => {
    const index = new SubjectIndex(1_000_000);
    const key = text as SubjectKey;
    index.set(key, { version: 1, vector: 0 });
    expect(index.get(key)).toBeUndefined();
    expect(index.size).toBe(0);
  });

  test('a full one knows no more, and goes on telling what it holds', () => {
    const index = new SubjectIndex(1);
    const [one, other] = [subjectKey(`k1.${'A'.repeat(22)}`), subjectKey(`k1.${'B'.repeat(21)}A`)];
    index.set(one, { version: 1, vector: 0 });
    index.set(other, { version: 1, vector: 0 });
    index.set(one, { version: 2, vector: 1 });
    expect([index.get(one), index.get(other)]).toEqual([{ version: 2, vector: 1 }, undefined]);
  });
});
