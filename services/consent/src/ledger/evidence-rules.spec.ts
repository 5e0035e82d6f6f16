import type { Purpose } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { catalogue, command, email, grantOf, item, now } from '../testing/samples.ts';
import { decide } from './decide.ts';
import type { Evidence } from './evidence.ts';

/** The sample catalogue with e-mail for people of sixteen and older. */
const grownUps = {
  ...catalogue,
  purposes: new Map(catalogue.purposes).set(email, {
    ...catalogue.purposes.get(email),
    minAge: 16,
  } as unknown as Purpose),
};

const grant = (evidence?: Evidence) =>
  decide(
    { version: 1, vector: {} },
    command({ grant: grantOf([item(email)]), ...(evidence === undefined ? {} : { evidence }) }),
    'fresh',
    { catalogue: grownUps, now },
  );

describe('G-10 a purpose with a minimum age', () => {
  test.each([
    ['nothing told', undefined, 'rejected'],
    ['no age told', { personal: {} }, 'rejected'],
    ['a year too young', { personal: { age: 15 } }, 'rejected'],
    ['old enough', { personal: { age: 16 } }, 'changed'],
    ['a child whose guardian decided', { personal: { age: 9, guardian: 'g-1' } }, 'changed'],
  ] as const)('G-10 %s', (_name, evidence, kind) => {
    const decided = grant(evidence);
    expect(decided.kind).toBe(kind);
    if (decided.kind === 'rejected') expect(decided.rejection.errors).toMatchObject([{ pointer: '/evidence/age' }]);
  });

  test('REC-3 a refusal asks for no age', () => {
    const refusal = command({ deny: { purposes: [email], to: 'denied' } });
    expect(decide({ version: 1, vector: {} }, refusal, 'fresh', { catalogue: grownUps, now }).kind).toBe('changed');
  });
});

describe('X-1 what stands erased, and was decided by nobody since', () => {
  test.each(['import', 'signal'] as const)('is not granted by a %s', (cause) => {
    const asked = command({ cause, grant: grantOf([item(email)]) });
    const state = { version: 3, vector: {}, erasedAt: now };
    expect(decide(state, asked, 'fresh', { catalogue, now })).toMatchObject({
      rejection: { code: 'standing-refusal' },
    });
  });
});
