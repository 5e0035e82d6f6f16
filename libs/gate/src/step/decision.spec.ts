import { catalogueOf, noticeRef, purposeId, recipientId, type ConsentVector } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { ads, catalogueDocument, crm, email, meta, subject, vector } from '../testing/consent-fixtures.ts';
import { decide, expiryNow, type GateView, type Intent } from './decision.ts';
import { unknownPartition } from './gate-step.ts';
import { SharedVector } from './shared-vector.ts';

const now = { wall: Date.parse('2026-11-20T12:00:00.000Z'), monotonic: 10_000 };
const sent = { wall: now.wall - 950, monotonic: now.monotonic - 950 };
const intent: Intent = { subjectKey: subject(1), purpose: email, recipient: crm };
const view = (given: ConsentVector | undefined, extra: Partial<GateView> = {}): GateView => ({
  partition: { ...unknownPartition, next: 1n, beatSent: sent, beat: 1 },
  catalogue: catalogueOf(catalogueDocument()),
  held: given && { version: 7, vector: given },
  pass: null,
  recipients: new Set([crm, meta]),
  ...extra,
});

describe('GATE-4', () => {
  test('allows until the lease ends', () => {
    expect(decide(view(vector('granted')), intent, now)).toEqual({ kind: 'allow', deadline: 11_000, version: 7 });
  });

  test('allows until the grant ends, where that is earlier', () => {
    const ending = vector('granted', { validUntil: '2026-11-20T12:00:00.400Z' });
    const until = now.wall + 400;
    expect(decide(view(ending), intent, now)).toEqual({ kind: 'allow', deadline: 10_400, version: 7, until });
  });

  test('asks the shared vector where the replica keeps one', () => {
    const held = { version: 7, vector: vector('granted'), shared: new SharedVector(vector('withdrawn')) };
    expect(decide(view(undefined, { held }), intent, now)).toMatchObject({ kind: 'deny', reason: 'not-granted' });
  });

  test('counts expiry by the last pass time plus monotonic time since, where the host’s clock is behind', () => {
    const ending = vector('granted', { validUntil: '2026-11-20T12:00:00.400Z' });
    const pass = { passTime: now.wall + 300, heard: { wall: now.wall - 200, monotonic: now.monotonic - 100 } };
    expect(expiryNow(pass, now)).toBe(now.wall + 400);
    expect(decide(view(ending, { pass }), intent, now)).toEqual({ kind: 'deny', reason: 'expired', version: 7 });
  });

  test.each([
    ['withdrawn', vector('withdrawn'), intent, 'not-granted'],
    ['never asked', {}, intent, 'not-granted'],
    ['unknown subject', undefined, intent, 'unknown-subject'],
    ['unknown purpose', vector('granted'), { ...intent, purpose: purposeId('other') }, 'unknown-purpose'],
    ['another recipient’s purpose', vector('granted'), { ...intent, recipient: meta }, 'recipient-not-for-purpose'],
    ['a recipient of another gate', vector('granted'), { ...intent, recipient: recipientId('x') }, 'unknown-recipient'],
    ['refused recipient', vector('granted', { refused: [crm] }), intent, 'recipient-refused'],
    [
      'a notice that does not name it',
      vector('granted', { notice: noticeRef('old', 1) }),
      intent,
      'recipient-not-in-notice',
    ],
    ['expired', vector('granted', { validUntil: '2026-11-20T12:00:00.000Z' }), intent, 'expired'],
  ] as const)('denies: %s', (_why, given, asked, reason) => {
    // The version that says so, wherever a state of this person was asked.
    const asks = given !== undefined && reason !== 'unknown-recipient';
    expect(decide(view(given), asked, now)).toEqual({ kind: 'deny', reason, ...(asks ? { version: 7 } : {}) });
  });

  test.each([0, 7])(
    'a closed key is denied without the version it holds (%i): an unreadable record denied it',
    (version) => {
      const closed = view(undefined, { held: { version, vector: undefined } });
      const denied = decide(closed, intent, now);
      expect(denied).toEqual({ kind: 'deny', reason: 'unknown-subject' });
    },
  );

  test.each([
    ['no lease', { partition: { ...unknownPartition, next: 1n } }, 'no-lease'],
    ['closed partition', { partition: { ...unknownPartition, beatSent: sent, closed: true } }, 'gap'],
    [
      'catalogue behind',
      { partition: { ...unknownPartition, beatSent: sent, catalogueNeeded: 2 } },
      'catalogue-behind',
    ],
  ] as const)('FAIL-CLOSED: stale, not denied, whatever it holds: %s', (_why, extra, reason) => {
    for (const given of [vector('granted'), vector('withdrawn'), undefined])
      expect(decide(view(given, extra), intent, now)).toEqual({ kind: 'stale', reason });
  });

  test('GATE-5: a gate below the version the grant answered is stale', () => {
    expect(decide(view(vector('granted')), { ...intent, atLeastVersion: 7 }, now).kind).toBe('allow');
    expect(decide(view(vector('granted')), { ...intent, atLeastVersion: 8 }, now)).toEqual({
      kind: 'stale',
      reason: 'below-version',
    });
    expect(decide(view(undefined), { ...intent, atLeastVersion: 1 }, now).kind).toBe('stale');
  });

  test('one purpose’s grant is not another’s', () => {
    const mixed = { ...vector('withdrawn'), [ads]: vector('granted')[ads] } as ConsentVector;
    expect(decide(view(mixed), intent, now).kind).toBe('deny');
    expect(decide(view(mixed), { ...intent, purpose: ads, recipient: meta }, now).kind).toBe('allow');
  });
});
