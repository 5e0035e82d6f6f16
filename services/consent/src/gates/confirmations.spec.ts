import { gateStartId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { Confirmations } from './confirmations.ts';

const [one, two] = [gateStartId('000000000001'), gateStartId('000000000002')];
const anna = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const confirmed = (version: number, subject = anna) => [
  { subjectKey: subject, version, closedAt: '2027-01-01T00:00:00Z' },
];
const never = () => new AbortController().signal;

describe('GATE-6 confirmations', () => {
  test('the answer comes when every start has confirmed', async () => {
    const confirmations = new Confirmations();
    const waiting = confirmations.waitFor([one, two], anna, 7, never());
    confirmations.confirm({ start: one, confirmed: confirmed(7) });
    confirmations.confirm({ start: two, confirmed: confirmed(9) });
    expect(await waiting).toBe(2);
  });

  test('a confirmation that came before the wait counts', async () => {
    const confirmations = new Confirmations();
    confirmations.confirm({ start: one, confirmed: confirmed(8) });
    expect(await confirmations.waitFor([one], anna, 8, never())).toBe(1);
  });

  test('an older version, another person or another start does not count', async () => {
    const confirmations = new Confirmations();
    const deadline = new AbortController();
    const waiting = confirmations.waitFor([one], anna, 8, deadline.signal);
    confirmations.confirm({ start: one, confirmed: confirmed(7) });
    confirmations.confirm({ start: two, confirmed: confirmed(8) });
    confirmations.confirm({ start: one, confirmed: confirmed(8, subjectKey('k1.BBBBBBBBBBBBBBBBBBBBBB')) });
    deadline.abort();
    expect(await waiting).toBe(0);
  });

  test('a later, lower confirmation takes nothing back', async () => {
    const confirmations = new Confirmations();
    confirmations.confirm({ start: one, confirmed: confirmed(9) });
    confirmations.confirm({ start: one, confirmed: confirmed(3) });
    expect(await confirmations.waitFor([one], anna, 9, never())).toBe(1);
  });

  test('a start that signed off holds nobody up', async () => {
    const confirmations = new Confirmations();
    const waiting = confirmations.waitFor([one, two], anna, 7, never());
    confirmations.signOff({ ended: two });
    confirmations.confirm({ start: one, confirmed: confirmed(7) });
    expect(await waiting).toBe(2);
    expect(await confirmations.waitFor([two], anna, 99, never())).toBe(1);
  });

  test('what is kept is bounded, oldest first', async () => {
    const confirmations = new Confirmations(2);
    for (const letter of ['B', 'C', 'D'])
      confirmations.confirm({ start: one, confirmed: confirmed(1, subjectKey(`k1.${letter.repeat(22)}`)) });
    const ended = AbortSignal.abort();
    expect(await confirmations.waitFor([one], subjectKey(`k1.${'B'.repeat(22)}`), 1, ended)).toBe(0);
    expect(await confirmations.waitFor([one], subjectKey(`k1.${'D'.repeat(22)}`), 1, ended)).toBe(1);
  });
});
