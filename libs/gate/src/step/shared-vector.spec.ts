import { catalogueOf, permission, purposeId, recipientId, type PermittingVector } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ads, catalogueDocument, crm, email, meta, vector } from '../testing/consent-fixtures.ts';
import { SharedVector } from './shared-vector.ts';

const end = '2027-01-01T00:00:00.000Z';
const instants = [0, Date.parse(end) - 1, Date.parse(end), Date.parse(end) + 1, 8e15];
const vectors: PermittingVector[] = [
  {},
  vector('granted'),
  vector('granted', { validUntil: end }),
  vector('granted', { validUntil: 'no instant' }),
  vector('granted', { validUntil: end, refused: [crm] }),
  vector('withdrawn'),
];
const catalogues = [1, 2].map((number) => catalogueOf(catalogueDocument(number)));
const inactive = catalogueOf({
  ...catalogueDocument(3),
  purposes: catalogueDocument(3).purposes.map((purpose) => ({ ...purpose, active: false })),
});

describe('a shared vector', () => {
  test('says what the vector itself says, for every catalogue, name and instant, in any order', () => {
    const asked = fc.record({
      catalogue: fc.constantFrom(...catalogues, inactive),
      purpose: fc.constantFrom(email, ads, purposeId('made-up'), purposeId('constructor')),
      recipient: fc.constantFrom(crm, meta, recipientId('made-up')),
      now: fc.constantFrom(...instants),
    });
    fc.assert(
      fc.property(fc.constantFrom(...vectors), fc.array(asked, { minLength: 1, maxLength: 30 }), (given, questions) => {
        const shared = new SharedVector(given);
        for (const { catalogue, purpose, recipient, now } of questions)
          expect(shared.permission(catalogue, purpose, recipient, now)).toEqual(
            permission(given, catalogue, purpose, recipient, now),
          );
      }),
      { numRuns: 300 },
    );
  });

  test('works an answer out once for each catalogue, and keeps none for names a caller made up', () => {
    const shared = new SharedVector(vector('granted'));
    const [first, second] = catalogues;
    const ask = (catalogue = first, purpose = email, recipient = crm) =>
      catalogue && shared.permission(catalogue, purpose, recipient, 0);
    const kept = ask();
    expect([ask() === kept, ask(first, ads, meta) === ask(first, ads, meta), ask() === kept]).toEqual([
      true,
      true,
      true,
    ]);
    expect(ask(first, purposeId('made-up')) === ask(first, purposeId('made-up'))).toBe(false);
    expect(ask(first, email, recipientId('made-up')) === ask(first, email, recipientId('made-up'))).toBe(false);
    expect([ask(second) === kept, ask() === kept]).toEqual([false, false]);
  });
});
