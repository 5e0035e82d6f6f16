import { TCString } from '@iabtcf/core';
import { describe, expect, test } from '@jest/globals';
import type { Propagation } from '../client/entente-client.ts';
import { notInBanner, signalFigures, type SignalWithdrawal } from './browser-signals.ts';
import { acceptedAll, takenBack } from './tc-string.ts';

describe('the strings of the demo’s consent banner', () => {
  test.each([
    ['accepts all that TCF knows', acceptedAll, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
    ['takes everything back', takenBack, []],
  ])('T-1 %s, service specific and with the vendors disclosed', (_name, make, purposes) => {
    const raw = make();
    const model = TCString.decode(raw);
    expect(raw.split('.')).toHaveLength(2);
    expect([...model.purposeConsents].flatMap(([id, is]) => (is ? [id] : []))).toEqual(purposes);
    expect(model.vendorsDisclosed.has(2)).toBe(true);
    expect(model).toMatchObject({ isServiceSpecific: true, policyVersion: 5 });
  });

  test('speak of everything in the starter catalogue but e-mail', () => {
    expect(notInBanner).toEqual(['email-marketing']);
  });
});

test('each kind of signal has figures of its own', () => {
  const withdrawal = (subjectId: string, kind: 'gpc' | 'tcf') =>
    ({ subjectId, kind, change: { changeId: `chg_${subjectId}`, version: 2 } }) as SignalWithdrawal;
  const propagation = (subjectId: string, allAccepted: boolean) =>
    ({ changeId: `chg_${subjectId}`, allAccepted }) as Propagation;
  const signals = [withdrawal('a', 'gpc'), withdrawal('b', 'gpc'), withdrawal('c', 'tcf')];
  const propagations = [propagation('a', true), propagation('b', false), propagation('c', true)];
  const leaks = ['b', 'b', 'nobody'].map((subjectId) => ({ partner: 'meta', subjectId, afterMs: 3_000 }));
  expect(signalFigures(signals, propagations, { leaks })).toEqual({
    gpc: { withdrawals: 2, accepted: 1, leaks: 2 },
    tcf: { withdrawals: 1, accepted: 1, leaks: 0 },
  });
});
