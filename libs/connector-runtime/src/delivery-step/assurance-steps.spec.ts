import { purposeId, type ConsentChanged } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { differences } from './compare-step.ts';
import { confirmPolicy, isMoot, onAnswer } from './confirm-step.ts';
import { onContradicted } from './contradiction.ts';
import { newDelivery, type Delivery } from './delivery.ts';
import { onEnded } from './attempt-step.ts';
import { onChanged, type RecipientFacts } from './delivery-step.ts';
import { isErasedVector, isErasure } from './erasure.ts';
import { retryPolicy } from './next-step.ts';

const [ads, mail] = [purposeId('ads'), purposeId('mail')];
const settled: Delivery = {
  ...newDelivery,
  ...{ version: 2, state: 'settled', appliedVersion: 2, revokeVersion: 2, exposed: [ads, mail], revoked: [ads] },
  desired: [mail],
};

describe('ACK-TRUTH: what follows from an answer about the effect', () => {
  const hour = 3_600_000;
  const question = { version: 2, allowed: [mail], acceptedAt: 0, asks: 1, contradictions: 0 };
  const answered = (outcome: Parameters<typeof onAnswer>[1], more: object = {}, now = 1_000, random = 0) =>
    onAnswer({ ...question, ...more }, outcome, confirmPolicy, now, random);

  test.each([
    ['confirmed', { kind: 'confirmed' }, {}, { do: 'confirm' }],
    ['not yet', { kind: 'pending' }, {}, { do: 'ask-again', ms: 2_500, reason: null }],
    ['the third time', { kind: 'pending' }, { asks: 3 }, { do: 'ask-again', ms: 10_000, reason: null }],
    ['the hundredth time', { kind: 'pending' }, { asks: 100 }, { do: 'ask-again', ms: hour / 2, reason: null }],
    ['its own wish', { kind: 'pending', afterMs: hour }, {}, { do: 'ask-again', ms: hour, reason: null }],
    [
      'throttled',
      { kind: 'retry', why: 'throttled', afterMs: 9_000 },
      {},
      { do: 'ask-again', ms: 9_000, reason: 'throttled' },
    ],
    ['no answer', { kind: 'unclear', why: 'no-answer' }, {}, { do: 'ask-again', ms: 2_500, reason: 'no-answer' }],
    ['no permission', { kind: 'refused', why: 'permission' }, {}, { do: 'ask-again', ms: 2_500, reason: 'permission' }],
    ['failed', { kind: 'failed', why: 'x' }, {}, { do: 'revoke-again', waitMs: 0, park: false }],
    [
      'failed twice',
      { kind: 'failed', why: 'x' },
      { contradictions: 1 },
      { do: 'revoke-again', waitMs: 60_000, park: false },
    ],
    [
      'failed five times',
      { kind: 'failed', why: 'x' },
      { contradictions: 4 },
      { do: 'revoke-again', waitMs: 480_000, park: true },
    ],
  ] as const)('%s', (_name, outcome, more, step) => expect(answered(outcome, more)).toEqual(step));

  test('after 45 days it is given up, but a confirmation counts even then', () => {
    const late = 45 * 24 * hour;
    expect(answered({ kind: 'pending' }, {}, late)).toEqual({ do: 'give-up', reason: 'pending' });
    expect(answered({ kind: 'confirmed' }, {}, late)).toEqual({ do: 'confirm' });
    expect(answered({ kind: 'pending' }, { acceptedAt: hour }, late)).toMatchObject({ do: 'ask-again' });
  });

  test('half of a pause is drawn, so that a batch does not come back together', () => {
    expect(answered({ kind: 'pending' }, {}, 1_000, 0.5)).toMatchObject({ ms: 3_750 });
  });

  test.each([
    ['nothing newer', settled, false],
    ['a grant of what was revoked', { ...settled, desired: [ads, mail] }, true],
    ['a newer revocation', { ...settled, appliedVersion: 3 }, true],
    ['an attempt on its way', { ...settled, state: 'claimed' as const }, true],
    ['less is allowed', { ...settled, desired: [] }, false],
  ])('the question is pointless after %s: %s', (_name, delivery, moot) =>
    expect(isMoot(delivery, question)).toBe(moot),
  );
});

describe('reconciliation: what differs', () => {
  const about = { served: [mail], allowed: [mail], questionOpen: false, readFrom: 1_000 };
  test.each([
    ['nothing', settled, about, []],
    ['served though denied', settled, { ...about, served: [ads, mail] }, [{ kind: 'extra', purposes: [ads] }]],
    [
      'the same, just accepted',
      settled,
      { ...about, served: [ads], questionOpen: true },
      [
        { kind: 'stale', purposes: [ads] },
        { kind: 'missing', purposes: [mail] },
      ],
    ],
    [
      'the same, on its way',
      { ...settled, state: 'due' as const },
      { ...about, served: [ads] },
      [{ kind: 'stale', purposes: [ads] }],
    ],
    ['allowed, shared, not served', settled, { ...about, served: [] }, [{ kind: 'missing', purposes: [mail] }]],
    [
      'granted again, not yet shared again',
      { ...settled, desired: [ads, mail] },
      { ...about, allowed: [ads, mail] },
      [],
    ],
    ['never heard of', { ...settled, version: 0 }, { ...about, served: [ads] }, []],
    ['a share on its way', { ...settled, inFlightUntil: 1_001 }, { ...about, served: [ads] }, []],
    [
      'a share that had arrived, of the first version',
      { ...settled, inFlightUntil: 1_000, version: 1 },
      { ...about, served: [ads, mail] },
      [{ kind: 'extra', purposes: [ads] }],
    ],
  ] as const)('%s', (_name, row, compared, found) => expect(differences(row, compared)).toEqual(found));
});

describe('ADR 12: a partner that does not keep what it accepted', () => {
  const again = {
    reason: 'still-served',
    desired: [mail],
    erasure: false,
    now: 5_000,
    waitMs: 0,
    park: false,
  } as const;

  test('is told again at the version that had been settled', () => {
    const { delivery, enforcements } = onContradicted({ ...settled, version: 4 }, again);
    expect(delivery).toMatchObject({ state: 'due', revokeVersion: 2, revokeTo: [mail], attempted: true, version: 4 });
    expect(enforcements).toEqual([
      { version: 2, direction: 'deny', outcome: 'waiting', reason: 'still-served', attempts: 0 },
    ]);
  });

  test('with nothing of the attempt that it had accepted', () => {
    const before: Delivery = { ...settled, ambiguous: true, attempts: 3, claimToken: 't', reason: 'x', reference: 'r' };
    const asked = { state: 'due', attempted: true, ambiguous: false, attempts: 0, nextAttemptAt: 5_000 };
    expect(onContradicted(before, again).delivery).toEqual({
      ...{ ...before, ...asked, revokeTo: [mail], claimToken: null, reason: 'still-served', reference: null },
    });
  });

  test('at the version the row has, where none had been settled; and not of a person never heard of', () => {
    const served: Delivery = { ...newDelivery, version: 1, exposed: [ads] };
    expect(onContradicted(served, again).delivery).toMatchObject({ state: 'due', revokeVersion: 1 });
    expect(onContradicted(newDelivery, again)).toEqual({ delivery: newDelivery, enforcements: [] });
  });

  test('later, or by a person, when it did so before', () => {
    expect(onContradicted(settled, { ...again, waitMs: 60_000 }).delivery).toMatchObject({
      ...{ state: 'waiting', nextAttemptAt: 65_000 },
    });
    const parked = onContradicted(settled, { ...again, park: true });
    expect(parked.delivery).toMatchObject({ state: 'parked', nextAttemptAt: null });
    expect(parked.enforcements[0]).toMatchObject({ outcome: 'parked' });
  });

  test('a grant waits behind it: the partner may still do what it was told', () => {
    const { delivery } = onContradicted(settled, again);
    const change = { version: 5, direction: 'grant', vector: {}, erasure: false, concerned: true } as const;
    const facts: RecipientFacts = { purposes: [ads, mail], preloaded: false };
    const granted = onChanged(
      delivery,
      { ...change, desired: [ads, mail], catalogue: 1, behind: false, now: 6_000 },
      facts,
    );
    expect(granted.delivery).toMatchObject({ state: 'due', revokeTo: [mail] });
  });

  test.each(['due', 'claimed', 'waiting', 'unclear', 'parked'] as const)('one that is %s stays as it is', (state) => {
    const pending: Delivery = { ...settled, state };
    expect(onContradicted(pending, again)).toEqual({ delivery: pending, enforcements: [] });
  });
});

describe('REC-8: erasure', () => {
  const since = '2026-01-01T00:00:00Z';
  const event = (
    vector: ConsentChanged['vector'],
    to: 'erased' | 'withdrawn',
    direction: 'deny' | 'grant' = 'deny',
  ): Parameters<typeof isErasure>[0] => ({
    ...{ direction, vector },
    changes: [{ purpose: ads, from: 'granted', to, cause: 'erasure' }],
  });
  const facts: RecipientFacts = { purposes: [ads, mail], preloaded: true };
  const erased = { version: 3, direction: 'deny', vector: {}, erasure: true, concerned: true, desired: [] } as const;

  test.each([
    ['an empty vector', event({}, 'erased'), true],
    ['nothing but erased', event({ [ads]: { decision: 'erased', since } }, 'erased'), true],
    ['erased beside withdrawn', event({ [mail]: { decision: 'withdrawn', since } }, 'erased'), true],
    [
      'one erased and one withdrawn at once',
      {
        ...event({ [ads]: { decision: 'erased', since }, [mail]: { decision: 'withdrawn', since } }, 'erased'),
        changes: (['erased', 'withdrawn'] as const).flatMap((to) => event({}, to).changes),
      },
      true,
    ],
    ['a purpose erased while another is granted', event({ [mail]: { decision: 'granted', since } }, 'erased'), false],
    ['a withdrawal', event({ [ads]: { decision: 'withdrawn', since } }, 'withdrawn'), false],
    ['a grant', event({}, 'erased', 'grant'), false],
  ])('%s: %s', (_name, change, is) => expect(isErasure(change)).toBe(is));

  test.each([
    ['nothing', {}, true],
    ['erased', { [ads]: { decision: 'erased', since } }, true],
    [
      'erased beside withdrawn',
      { [ads]: { decision: 'erased', since }, [mail]: { decision: 'withdrawn', since } },
      false,
    ],
    ['withdrawn', { [ads]: { decision: 'withdrawn', since } }, false],
  ] as const)('what is left is erased: %s', (_name, vector, is) => expect(isErasedVector(vector)).toBe(is));

  test('settled, it leaves the fence; a preloaded recipient no longer holds this person until something is allowed', () => {
    const due = onChanged(settled, { ...erased, catalogue: 1, behind: false, now: 1_000 }, facts).delivery;
    const claimed: Delivery = { ...due, state: 'claimed', claimToken: 't', attempts: 1, attempted: true };
    const end = { token: 't', claimed, outcome: { kind: 'applied' }, sent: true, beganAt: 2_000, now: 3_000 } as const;
    const { delivery } = onEnded(claimed, { ...end, lostWindowsEnd: null, random: 0 }, retryPolicy);
    expect(delivery).toMatchObject({ state: 'settled', wiped: true, exposed: [], erasure: false });
    const later = { ...erased, version: 4, erasure: false, catalogue: 1, behind: false, now: 4_000 };
    expect(onChanged(delivery, later, facts).enforcements).toMatchObject([{ outcome: 'never-shared', version: 4 }]);
    const returned = onChanged(delivery, { ...later, direction: 'grant', desired: [mail] }, facts).delivery;
    expect(returned.wiped).toBe(false);
    expect(onChanged(returned, { ...later, version: 5 }, facts).delivery.state).toBe('due');
  });

  test('found at the same version while a revocation runs, it is not settled by that revocation (DLV-7)', () => {
    const claimed: Delivery = { ...settled, state: 'claimed', claimToken: 't', attempts: 1, attempted: true };
    const meanwhile: Delivery = { ...claimed, erasure: true };
    const end = { token: 't', claimed, outcome: { kind: 'applied' }, sent: true, beganAt: 2_000, now: 3_000 } as const;
    const { delivery } = onEnded(meanwhile, { ...end, lostWindowsEnd: null, random: 0 }, retryPolicy);
    expect(delivery).toMatchObject({ state: 'due', erasure: true, wiped: false });
  });
});
