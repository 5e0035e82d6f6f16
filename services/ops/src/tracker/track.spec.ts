import { describe, expect, test } from '@jest/globals';
import { judge, settle, statusOf } from './track.ts';

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
    ['waiting is not told of older changes', 4, 'waiting', 5, null],
  ] as const)('%s', (_name, version, outcome, outcomeVersion, expected) => {
    expect(settle({ version }, { version: outcomeVersion, direction: 'deny', outcome, at })).toEqual(expected);
  });

  test('ACK-TRUTH: an accepted reinstatement settles no withdrawal', () => {
    expect(settle({ version: 5 }, { version: 5, direction: 'grant', outcome: 'accepted', at })).toBeNull();
  });
});

describe('deadlines are judged with blame', () => {
  test.each([
    [10_000, 9_999, 100, { result: 'met', blame: 'none' }],
    [10_000, 10_001, 100, { result: 'missed', blame: 'partner' }],
    [10_000, null, 100, { result: 'missed', blame: 'partner' }],
    [10_000, null, 2_001, { result: 'missed', blame: 'pipeline' }],
    [10_000, null, null, { result: 'missed', blame: 'pipeline' }],
  ] as const)('limit %s, settled after %s, consumed after %s', (limit, settled, consumed, expected) => {
    expect(judge(limit, settled, consumed)).toEqual(expected);
  });
});

describe('status word', () => {
  const fine = { unenforced: 0, oldestUnenforcedMs: 0, parked: 0, sinceBeatMs: 100, staleAfterMs: 2_000 };
  test.each([
    ['nothing to do', {}, 'QUIET'],
    ['busy', { unenforced: 3, oldestUnenforcedMs: 900 }, 'OK'],
    ['late', { unenforced: 3, oldestUnenforcedMs: 10_001 }, 'SLOW'],
    ['parked', { parked: 1 }, 'SLOW'],
    ['no beat', { sinceBeatMs: null }, 'BLIND'],
    ['old beat', { sinceBeatMs: 2_001 }, 'BLIND'],
  ] as const)('%s', (_name, facts, expected) => expect(statusOf({ ...fine, ...facts })).toBe(expected));
});
