import { catalogueOf, permission, type ConsentVector, type SubjectKey } from '@entente/contracts';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acme, ads, catalogueDocument, crm, email, meta, subject, vector } from '../testing/consent-fixtures.ts';
import { MemoryReplica } from '../testing/memory-replica.ts';
import { LmdbReplica } from './lmdb-replica.ts';

const end = '2027-01-01T00:00:00.000Z';
const instants = [Date.parse(end) - 1, Date.parse(end)];
const vectors: ConsentVector[] = [
  {},
  vector('granted'),
  vector('granted', { validUntil: end }),
  vector('granted', { refused: [crm] }),
  vector('withdrawn'),
  { ...vector('granted'), [ads]: { decision: 'granted', since: end } },
];
const catalogue = catalogueOf(catalogueDocument());
const people = [1, 2, 3, 4, 5, 6].map((number) => subject(number));

const who = fc.constantFrom(...people);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write'), who, version: fc.nat(9), given: fc.constantFrom(...vectors) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ask'), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close'), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('empty', 'reopen', 'fail') }) },
) as fc.Arbitrary<
  | { do: 'write'; who: SubjectKey; version: number; given: ConsentVector }
  | { do: 'ask'; who: SubjectKey }
  | { do: 'close'; who: SubjectKey }
  | { do: 'empty' | 'reopen' | 'fail' }
>;

/** Says whatever anybody may ask of this person, and compares it with what the plain vector says. */
function compare(replica: LmdbReplica, model: MemoryReplica, key: SubjectKey): void {
  const [held, expected] = [replica.get(key), model.get(key)];
  expect(held?.version).toBe(expected?.version);
  expect(held?.vector === undefined).toBe(expected?.vector === undefined);
  for (const purpose of [email, ads])
    for (const recipient of [crm, meta])
      for (const now of instants) {
        const plain = permission(expected?.vector, catalogue, purpose, recipient, now);
        expect(permission(held?.vector, catalogue, purpose, recipient, now)).toEqual(plain);
        if (held?.shared) expect(held.shared.permission(catalogue, purpose, recipient, now)).toEqual(plain);
      }
}

test('what is remembered is never other than what is stored, whatever is written, closed, emptied, reopened and asked', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'entente-replica-'));
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom({ subjects: 2, vectors: 2 }, { subjects: 100, vectors: 100 }),
        async (steps, limits) => {
          const open = () => new LmdbReplica(directory, acme, 'this boot', limits);
          let replica = open();
          replica.empty();
          const model = new MemoryReplica(acme);
          for (const one of steps) {
            if (one.do === 'write')
              for (const each of [replica, model])
                each.commit({ subjects: [{ subjectKey: one.who, version: one.version + 1, vector: one.given }] });
            else if (one.do === 'close')
              for (const each of [replica, model]) each.commit({ closeKeys: new Map([[one.who, 'x']]) });
            else if (one.do === 'empty') for (const each of [replica, model]) each.empty();
            else if (one.do === 'reopen') {
              await replica.close();
              replica = open();
            } else if (one.do === 'fail') {
              const unknown = {
                ...vector('granted'),
                [email]: { decision: 'maybe', since: end },
              } as unknown as ConsentVector;
              const batch = people.map((subjectKey) => ({ subjectKey, version: 99, vector: unknown }));
              expect(() => replica.commit({ subjects: batch })).toThrow('unknown decision');
            } else if (one.do === 'ask') compare(replica, model, one.who);
          }
          for (const key of people) compare(replica, model, key);
          await replica.close();
        },
      ),
      { numRuns: 60 },
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 60_000);
