import { subjectKey } from '@entente/contracts';
import { expect, test } from '@jest/globals';
import { BusyPersons, inTurn } from './busy-persons.ts';

const busy = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const other = subjectKey('k1.BBBBBBBBBBBBBBBBBBBBBB');

test('five accepted revocations of a person in ten seconds, then that person waits, and nobody else', () => {
  const persons = new BusyPersons();
  for (let second = 0; second < 5; second += 1) {
    expect(persons.waiting(second * 1_000).size).toBe(0);
    persons.settled([busy, ...(second === 0 ? [other] : [])], second * 1_000);
  }
  expect([...persons.waiting(9_999)]).toEqual([busy]);
  expect([...persons.waiting(10_000)]).toEqual([]);
});

test('an erasure is never held back, and who waits takes nobody’s place', () => {
  const row = (subject: typeof busy, erasure = false) => ({ subjectKey: subject, erasure });
  const [waits, erased, free] = [row(busy), row(busy, true), row(other)];
  expect(inTurn([waits, erased, free], new Set([busy]), 2)).toEqual([erased, free]);
  expect(inTurn([waits, free], new Set(), 1)).toEqual([waits]);
});
