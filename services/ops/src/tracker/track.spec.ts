import { describe, expect, test } from '@jest/globals';
import { allEnforced, blameSoFar, judge, settle, statusOf, type StatusFacts } from './track.ts';

const at = '2026-01-01T00:00:00.000Z';

describe('TRK-1: what an outcome settles', () => {
  test.each([
    ['its own change', 5, 'accepted', 5, { state: 'accepted', settled: true, acceptedAt: at, confirmedAt: null }],
    ['an older change', 4, 'accepted', 5, { state: 'superseded', settled: true, acceptedAt: null, confirmedAt: null }],
    ['not a newer change', 6, 'accepted', 5, null],
    [
      'confirmed is accepted too',
      5,
      'confirmed',
      5,
      { state: 'confirmed', settled: true, acceptedAt: at, confirmedAt: at },
    ],
    [
      'never shared is not accepted',
      5,
      'never-shared',
      5,
      { state: 'never-shared', settled: true, acceptedAt: null, confirmedAt: null },
    ],
    [
      'parked settles nothing',
      5,
      'parked',
      5,
      { state: 'parked', settled: false, acceptedAt: null, confirmedAt: null },
    ],
    [
      'waiting settles nothing either',
      5,
      'waiting',
      5,
      { state: 'retrying', settled: false, acceptedAt: null, confirmedAt: null },
    ],
    ['waiting is not told of older changes', 4, 'waiting', 5, null],
  ] as const)('%s', (_name, version, outcome, outcomeVersion, expected) => {
    expect(settle({ version }, { version: outcomeVersion, direction: 'deny', outcome, at })).toEqual(expected);
  });

  test('ACK-TRUTH: an accepted reinstatement settles no withdrawal', () => {
    expect(settle({ version: 5 }, { version: 5, direction: 'grant', outcome: 'accepted', at })).toBeNull();
  });
});

describe('ADR 12: accepted, confirmed, and what the partner did not keep', () => {
  const [t1, t2, t3] = ['2026-01-01T00:00:01.000Z', '2026-01-01T00:00:02.000Z', '2026-01-01T00:00:03.000Z'] as const;
  const accepted = { version: 5, settledAt: t1, acceptedAt: t1, confirmedAt: null };
  const said = (outcome: 'accepted' | 'confirmed' | 'waiting' | 'parked', when: string, reason?: string) => ({
    ...{ version: 5, direction: 'deny' as const, outcome, at: when },
    ...(reason === undefined ? {} : { reason }),
  });

  test('a confirmation has its own time and leaves the acceptance its own', () => {
    expect(settle(accepted, said('confirmed', t2))).toEqual({
      ...{ state: 'confirmed', settled: true, acceptedAt: t1, confirmedAt: t2 },
    });
  });

  test('a confirmation is told once', () => {
    expect(settle({ ...accepted, confirmedAt: t2 }, said('confirmed', t3))).toBeNull();
  });

  test('a confirmation of a newer revocation does not confirm this one', () => {
    expect(settle(accepted, { ...said('confirmed', t2), version: 6 })).toBeNull();
  });

  test.each([
    ['waiting', 'acceptance-not-kept', 'retrying'],
    ['waiting', 'still-served', 'retrying'],
    ['parked', 'acceptance-not-kept', 'parked'],
  ] as const)('%s because of %s takes the acceptance back: it is never shown as stopped while it is not', (...row) => {
    const [outcome, reason, state] = row;
    const taken = { state, settled: false, acceptedAt: null, confirmedAt: null, contradictedAt: t2 };
    expect(settle(accepted, said(outcome, t2, reason))).toEqual(taken);
    expect(settle({ ...accepted, confirmedAt: t1 }, said(outcome, t2, reason))).toEqual(taken);
  });

  test.each([
    ['an ordinary wait', said('waiting', t2, 'throttled')],
    [
      'a copy of a contradiction from before the acceptance',
      said('waiting', '2026-01-01T00:00:00.500Z', 'still-served'),
    ],
    ['a copy of the acceptance itself', said('accepted', t1)],
  ])('%s changes nothing of what is settled', (_name, outcome) => expect(settle(accepted, outcome)).toBeNull());

  test('after a contradiction older words do not settle it again; a new acceptance does', () => {
    const open = { version: 5, settledAt: null, contradictedAt: t2 };
    expect(settle(open, said('accepted', t1))).toBeNull();
    expect(settle(open, said('accepted', t2))).toBeNull();
    expect(settle(open, said('accepted', t3))).toMatchObject({ state: 'accepted', settled: true, acceptedAt: t3 });
  });

  test('an acceptance that came before its change keeps its time behind the confirmation', () => {
    expect(settle({ version: 5 }, { ...said('confirmed', t2), acceptedAt: t1 })).toMatchObject({
      ...{ acceptedAt: t1, confirmedAt: t2 },
    });
  });
});

describe('deadlines are judged with blame', () => {
  test.each([
    [10_000, 10_000, 100, { result: 'met', blame: 'none' }],
    [10_000, 10_001, 100, { result: 'missed', blame: 'partner' }],
    [10_000, null, 2_000, { result: 'missed', blame: 'partner' }],
    [10_000, null, 2_001, { result: 'missed', blame: 'pipeline' }],
    [10_000, null, null, { result: 'missed', blame: 'pipeline' }],
  ] as const)('limit %s, settled after %s, consumed after %s', (limit, settled, consumed, expected) => {
    expect(judge(limit, settled, consumed, null)).toEqual(expected);
  });

  test.each([
    ['authentication', 'pipeline'],
    ['permission', 'pipeline'],
    ['missing-identifier', 'partner'],
  ])('parked for %s it is late because of the %s: our credentials are ours', (parkedFor, blame) => {
    expect(judge(10_000, null, 100, parkedFor)).toEqual({ result: 'missed', blame });
    expect(blameSoFar(10_001, 100, parkedFor)).toBe(blame);
    expect(blameSoFar(10_000, 100, parkedFor)).toBe('none');
  });
});

describe('status word', () => {
  const fine: StatusFacts = {
    unenforced: 0,
    parked: 0,
    credentialsRefused: false,
    oldestUnenforcedMs: 0,
    oldestFailingMs: 0,
    oldestUnheardMs: 0,
    rises: 0,
    sinceBeatMs: 100,
    hasLeft: false,
    sinceAcceptedMs: null,
    trackerSees: true,
  };
  const failing = { unenforced: 2, oldestUnenforcedMs: 30_000, oldestFailingMs: 30_000 };
  test.each<[string, Partial<StatusFacts>, string, string]>([
    ['nothing to do', {}, 'QUIET', 'nothing-pending'],
    ['busy', { unenforced: 3, oldestUnenforcedMs: 900 }, 'OK', 'in-time'],
    ['late', { unenforced: 3, oldestUnenforcedMs: 10_001 }, 'SLOW', 'late'],
    ['at its limit it is not late yet', { unenforced: 3, oldestUnenforcedMs: 10_000 }, 'OK', 'in-time'],
    ['not yet five rises', { unenforced: 3, oldestUnenforcedMs: 6_000, rises: 4 }, 'OK', 'in-time'],
    [
      'five rises, long before it is late',
      { unenforced: 3, oldestUnenforcedMs: 6_000, rises: 5 },
      'SLOW',
      'falling-behind',
    ],
    ['late, and later at each look', { unenforced: 3, oldestUnenforcedMs: 12_000, rises: 9 }, 'SLOW', 'falling-behind'],
    ['parked work ages too, and needs a person', { unenforced: 1, parked: 1, rises: 9 }, 'SLOW', 'parked'],
    ['parked', { unenforced: 1, parked: 1 }, 'SLOW', 'parked'],
    [
      'parked for our own credentials',
      { unenforced: 1, parked: 1, credentialsRefused: true },
      'SLOW',
      'credentials-refused',
    ],
    [
      'credentials refused before, and nothing parked any more',
      { credentialsRefused: true },
      'QUIET',
      'nothing-pending',
    ],
    ['never heard of', { sinceBeatMs: null }, 'BLIND', 'never-heard'],
    ['signed off', { sinceBeatMs: null, hasLeft: true }, 'STOPPED', 'connector-left'],
    ['a late beat', { sinceBeatMs: 3_001 }, 'BLIND', 'connector-silent'],
    ['no beat for long', { sinceBeatMs: 15_001 }, 'STOPPED', 'connector-silent'],
    ['a beat just in time', { sinceBeatMs: 3_000 }, 'QUIET', 'nothing-pending'],
    ['a beat missing for as long as may be', { sinceBeatMs: 15_000 }, 'BLIND', 'connector-silent'],
    ['the tracker itself does not read', { trackerSees: false }, 'BLIND', 'tracker-blind'],
    ['every attempt fails', failing, 'PARTNER_DOWN', 'partner-fails'],
    ['the partner answers and asks for patience', { ...failing, oldestFailingMs: 0 }, 'SLOW', 'late'],
    ['every attempt fails for as long as may be', { ...failing, oldestFailingMs: 10_000 }, 'SLOW', 'late'],
    [
      'it accepted something before it began to fail',
      { ...failing, sinceAcceptedMs: 40_000 },
      'PARTNER_DOWN',
      'partner-fails',
    ],
    [
      'it accepted something just as it began',
      { ...failing, sinceAcceptedMs: 30_000 },
      'PARTNER_DOWN',
      'partner-fails',
    ],
    [
      'it takes nothing for as long as may be',
      { unenforced: 1, oldestUnenforcedMs: 120_000, oldestUnheardMs: 120_000 },
      'SLOW',
      'late',
    ],
    ['one person fails, others do not', { ...failing, sinceAcceptedMs: 500 }, 'SLOW', 'late'],
    [
      'it beats and takes nothing',
      { unenforced: 1, oldestUnenforcedMs: 121_000, oldestUnheardMs: 121_000 },
      'STALLED',
      'no-progress',
    ],
  ])('%s', (_name, facts, status, reason) => expect(statusOf({ ...fine, ...facts })).toEqual({ status, reason }));
});

describe('"every withdrawal is enforced" is said only when it is known', () => {
  const quiet = { unenforced: 0, status: 'QUIET' } as const;
  test.each([
    ['quiet everywhere', [quiet], 0, true],
    ['no recipient at all', [], 0, false],
    ['one open', [quiet, { unenforced: 1, status: 'OK' }], 0, false],
    ['one not seen', [quiet, { unenforced: 0, status: 'BLIND' }], 0, false],
    ['an unreadable record', [quiet], 1, false],
  ] as const)('%s', (_name, recipients, unreadable, expected) =>
    expect(allEnforced(recipients, unreadable)).toBe(expected),
  );
});
