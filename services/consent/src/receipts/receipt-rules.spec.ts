import { describe, expect, test } from '@jest/globals';
import { outcomeWords } from '@entente/contracts';
import type { Cause, Decision, Outcome } from '@entente/contracts';
import { terminationOf } from './outcomes.ts';
import type { KeptOutcome } from './outcomes.ts';
import { stateOf } from './receipt-content.ts';
import { parseReceiptProfiles } from './receipt-profile.ts';

test.each<[Decision | null, Decision, Cause, string]>([
  [null, 'granted', 'person', 'dpv:ConsentGiven'],
  ['withdrawn', 'granted', 'person', 'dpv:ConsentGiven'],
  ['granted', 'granted', 'person', 'dpv:RenewedConsentGiven'],
  [null, 'denied', 'person', 'dpv:ConsentRefused'],
  ['granted', 'withdrawn', 'person', 'dpv:ConsentWithdrawn'],
  ['granted', 'withdrawn', 'signal', 'dpv:ConsentWithdrawn'],
  ['granted', 'withdrawn', 'catalogue', 'dpv:ConsentRevoked'],
  ['granted', 'withdrawn', 'import', 'dpv:ConsentRevoked'],
  ['granted', 'expired', 'expiry', 'dpv:ConsentExpired'],
  ['granted', 'erased', 'erasure', 'dpv:ConsentInvalidated'],
  ['granted', 'objected', 'person', 'entente:Objected'],
])('R-3 from %s to %s by %s is %s', (from, to, cause, state) => {
  expect(stateOf({ from, to, cause })).toBe(state);
});

describe('TRK-1 what a termination receipt says of a recipient', () => {
  const kept = (version: number, outcome: Outcome): KeptOutcome => ({
    ...{ recipient: 'crm', version, outcome, at: `2027-01-01T00:00:0${version}.000000Z` },
    ...{ reason: null, acceptedAt: null },
  });

  test.each([
    ['nothing heard', [], { outcome: 'waiting' }, false],
    ['its own outcome', [kept(5, 'accepted')], { outcome: 'accepted', at: kept(5, 'accepted').at }, true],
    [
      'its own before a later one',
      [kept(5, 'accepted'), kept(6, 'accepted')],
      { outcome: 'accepted', at: kept(5, 'accepted').at },
      true,
    ],
    [
      'settled by a later version',
      [kept(7, 'confirmed')],
      { outcome: 'superseded', at: kept(7, 'confirmed').at },
      true,
    ],
    [
      'parked, then settled by a later version',
      [kept(5, 'parked'), kept(6, 'nothing-to-do')],
      { outcome: 'superseded' },
      true,
    ],
    ['parked', [kept(5, 'parked')], { outcome: 'parked' }, false],
    ['a later version that waits says nothing of it', [kept(6, 'waiting')], { outcome: 'waiting' }, false],
  ] as const)('%s', (_what, heard, outcome, complete) => {
    const termination = terminationOf(5, ['crm'], heard);
    expect(termination).toMatchObject({ complete, recipients: [{ recipient: 'crm', ...outcome }] });
  });

  test('exactly the recipients that the change concerned', () => {
    expect(terminationOf(5, [], [kept(5, 'accepted')])).toEqual({ complete: true, recipients: [] });
    const two = terminationOf(5, ['ads', 'crm'], [kept(5, 'accepted')]);
    expect(two).toMatchObject({ complete: false, recipients: [{ recipient: 'ads' }, { recipient: 'crm' }] });
    expect(two.recipients[0]).toEqual({ recipient: 'ads', outcome: 'waiting', in_words: outcomeWords.waiting });
  });

  const delay = { en: 'up to a day', fr: 'jusqu’à un jour' };
  test.each([
    ['accepted', true],
    ['parked', true],
    ['confirmed', false],
    ['never-shared', false],
    ['not-recalled', false],
  ] as const)(
    'ADR 27: %s in plain words of both languages, with the delay while it may be at work: %s',
    (outcome, shown) => {
      const [crm] = terminationOf(5, ['crm'], [kept(5, outcome)], new Map([['crm', delay]])).recipients;
      expect(crm?.in_words).toEqual(outcomeWords[outcome]);
      expect(crm?.documented_delay).toEqual(shown ? delay : undefined);
    },
  );
});

describe('what a controller says of itself', () => {
  test('what it leaves out is stated nowhere, and said so', () => {
    const profiles = parseReceiptProfiles({ acme: { name: 'Acme SA', storageLocations: ['FR'] } });
    expect(profiles('acme')).toMatchObject({ name: 'Acme SA', storageLocations: ['FR'], jurisdiction: 'not stated' });
    expect(profiles('other')).toMatchObject({ name: 'other', address: 'not stated' });
  });

  test.each([
    [{ acme: 'x' }, 'acme is not an object'],
    [{ acme: { nmae: 'x' } }, 'no member nmae'],
    [{ acme: { name: '' } }, 'name is not a text'],
    [{ acme: { storageLocations: 'FR' } }, 'storageLocations is not a list of texts'],
    [{ acme: { toString: 'x' } }, 'no member toString'],
  ])('%j is refused', (value, message) => {
    expect(() => parseReceiptProfiles(value)).toThrow(message);
  });
});
