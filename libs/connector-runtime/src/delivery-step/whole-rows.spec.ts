import { purposeId, type PurposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import type { RevocationOutcome } from '../partner/outcome.ts';
import { onClaimed, onEnded, onReplayed, onWindowClosed, type Ended } from './attempt-step.ts';
import { newDelivery, type Delivery } from './delivery.ts';
import {
  onCatalogue,
  onChanged,
  onUndecodable,
  onVanished,
  type Changed,
  type RecipientFacts,
} from './delivery-step.ts';
import { retryPolicy } from './next-step.ts';
import { union } from './purpose-set.ts';

const [ads, mail] = [purposeId('ads'), purposeId('mail')];
const facts: RecipientFacts = { purposes: [ads, mail], preloaded: false };
const exposed: Delivery = { ...newDelivery, version: 1, desired: [ads, mail], catalogue: 1, exposed: [ads, mail] };
/** What a row of these rules never holds: whoever takes it over by mistake shows. */
const worn = {
  attempted: true,
  ambiguous: true,
  erasure: true,
  attempts: 4,
  reference: 'r',
  reason: 'old',
  claimToken: 't',
};

const changed = (
  row: Delivery,
  direction: 'deny' | 'grant',
  version: number,
  desired: PurposeId[],
  more: Partial<Changed> = {},
) => {
  const change = {
    version,
    direction,
    desired,
    vector: {},
    erasure: false,
    concerned: true,
    catalogue: 1,
    behind: false,
  };
  return onChanged(row, { ...change, now: 4_000, ...more }, facts);
};
const denied = { direction: 'deny' } as const;

describe('DLV-6: what a denial without anything to take away leaves', () => {
  const left: Delivery = {
    ...{ ...newDelivery, version: 2, vector: {}, catalogue: 1, state: 'settled', revokeVersion: 2, appliedVersion: 2 },
    ...{ consumedAt: 4_000, reason: 'never-shared' },
  };
  const told = [{ ...denied, version: 2, outcome: 'never-shared', attempts: 0 }];

  test.each([
    ['of a stranger', newDelivery, [], {}, {}],
    ['of somebody settled before', { ...newDelivery, ...worn, state: 'settled' }, [], {}, {}],
    ['of an erasure', newDelivery, [], { erasure: true }, { wiped: true }],
    ['of an erasure beside something allowed', newDelivery, [mail], { erasure: true }, { wiped: false }],
    ['of somebody wiped', { ...newDelivery, wiped: true }, [], {}, { wiped: true }],
    ['where all is allowed and nothing was shared', newDelivery, [ads, mail], {}, {}],
  ] as const)('%s', (_who, row, desired, more, differs) => {
    const stepped = changed(row, 'deny', 2, [...desired], more);
    const allowed = { desired: [...desired], revokeTo: [...desired] };
    expect(stepped).toEqual({ delivery: { ...left, ...allowed, ...differs }, enforcements: told });
  });

  test('unless an attempt of before may have had its effect', () => {
    const { delivery } = changed({ ...newDelivery, state: 'waiting', attempted: true }, 'deny', 2, []);
    expect(delivery).toMatchObject({ state: 'due', revokeVersion: 2, attempted: true });
  });

  test('an erasure that does not concern the recipient, where nothing is, only marks the row', () => {
    const stepped = changed(newDelivery, 'deny', 2, [], { erasure: true, concerned: false });
    const delivery = { ...newDelivery, version: 2, vector: {}, catalogue: 1, wiped: true };
    expect(stepped).toEqual({ delivery, enforcements: [] });
  });
});

describe('DLV-1: what a denial of something shared leaves', () => {
  const due: Delivery = {
    ...{ ...exposed, version: 2, vector: {}, desired: [ads], state: 'due', revokeVersion: 2, revokeTo: [ads] },
    ...{ nextAttemptAt: 4_000, consumedAt: 4_000 },
  };

  test('a new question, with nothing of an older one', () => {
    expect(changed(exposed, 'deny', 2, [ads])).toEqual({ delivery: due, enforcements: [] });
    const settled: Delivery = { ...exposed, ...worn, claimToken: null, state: 'settled' };
    expect(changed(settled, 'deny', 2, [ads]).delivery).toEqual(due);
  });

  test('of one under way, its claim, its deadline and its doubt', () => {
    const claimed: Delivery = {
      ...due,
      state: 'claimed',
      claimToken: 't',
      nextAttemptAt: 9_000,
      attempted: true,
      attempts: 2,
    };
    expect(changed(claimed, 'deny', 3, [ads]).delivery).toMatchObject({
      ...{ state: 'claimed', nextAttemptAt: 9_000, revokeVersion: 3, attempts: 0, attempted: true, ambiguous: false },
    });
    const unclear: Delivery = { ...claimed, state: 'unclear', ambiguous: true };
    expect(changed(unclear, 'deny', 3, [ads]).delivery).toMatchObject({ state: 'due', ambiguous: true });
  });

  test('somebody the consent service no longer knows is erased at the version the row has', () => {
    const vanished = { ...exposed, vector: {}, desired: [], consumedAt: 7 };
    const asked = { state: 'due', revokeTo: [], erasure: true, nextAttemptAt: 7 };
    const stepped = onVanished({ ...exposed, version: 5 }, 7, facts);
    expect(stepped).toEqual({ delivery: { ...vanished, version: 5, ...asked, revokeVersion: 5 }, enforcements: [] });
    expect(onVanished({ ...exposed, version: 0 }, 7, facts).delivery.revokeVersion).toBe(1);
  });
});

describe('DLV-5: what a grant leaves of a revocation', () => {
  const due = changed(exposed, 'deny', 2, [], { now: 1_000 }).delivery;

  test('what is lost without a no is revoked and nobody is erased', () => {
    const asked = {
      state: 'due',
      nextAttemptAt: 4_000,
      consumedAt: 4_000,
      revokeTo: [mail],
      revoked: [ads],
      erasure: false,
    };
    expect(changed(exposed, 'grant', 2, [mail])).toMatchObject({ delivery: { ...asked, revokeVersion: 2 } });
    const { delivery } = onCatalogue(exposed, { desired: [mail], catalogue: 2, now: 4_000 }, facts);
    expect(delivery).toMatchObject({ ...asked, revokeVersion: 1, catalogue: 2 });
    const parked = onUndecodable(exposed).delivery;
    expect(changed(parked, 'grant', 2, [mail]).delivery).toMatchObject({
      state: 'due',
      erasure: false,
      consumedAt: 4_000,
    });
  });

  test('of one that waits, its time: only its plan and its version move on', () => {
    const { delivery, enforcements } = changed(due, 'grant', 3, [ads]);
    const moved = { version: 3, desired: [ads], revokeTo: [ads], revokeVersion: 3 };
    expect([delivery, enforcements]).toEqual([{ ...due, ...moved }, []]);
  });

  test('of one taken back, who is told', () => {
    expect(changed(due, 'grant', 3, [ads, mail]).enforcements).toEqual([
      { ...denied, version: 2, outcome: 'superseded', attempts: 0, reason: 'granted-again' },
    ]);
    expect(changed(exposed, 'deny', 2, [ads, mail]).enforcements).toEqual([
      { ...denied, version: 2, outcome: 'never-shared', attempts: 0 },
    ]);
  });

  test('a newer catalogue moves the plan of a pending one alone', () => {
    const settled: Delivery = { ...newDelivery, state: 'settled', revokeTo: [ads, mail], catalogue: 1 };
    const recomputed = { desired: [mail], catalogue: 2, now: 4_000 };
    expect(onCatalogue(settled, recomputed, facts).delivery).toEqual({ ...settled, desired: [mail], catalogue: 2 });
    const waits: Delivery = { ...settled, state: 'waiting' };
    expect(onCatalogue(waits, recomputed, facts).delivery.revokeTo).toEqual([mail]);
  });
});

describe('a record that could not be read', () => {
  test('parks a row with nothing of an older revocation, and leaves a pending one as it is', () => {
    const { delivery } = onUndecodable({ ...exposed, ...worn, state: 'settled' });
    const asked = { revokeVersion: 1, revokeTo: [ads, mail], attempted: false, ambiguous: false, attempts: 0 };
    expect(delivery).toEqual({
      ...{ ...exposed, ...worn, state: 'parked', reason: 'undecodable-record', nextAttemptAt: null, ...asked },
    });
    const pending: Delivery = { ...exposed, state: 'waiting', revokeVersion: 1 };
    expect(onUndecodable(pending)).toEqual({ delivery: pending, enforcements: [] });
  });
});

describe('DLV-4: what the end of an attempt leaves', () => {
  const due = changed(exposed, 'deny', 2, [ads]).delivery;
  const claimed = onClaimed(due, { token: 't', deadline: 9_000 }, facts);
  const end = (outcome: RevocationOutcome, row = claimed, more: Partial<Ended> = {}) =>
    onEnded(
      row,
      {
        ...{ token: 't', claimed: { ...claimed, attempted: false }, outcome, sent: true, beganAt: 5_000 },
        ...{ lostWindowsEnd: null, now: 6_000, random: 0.5, ...more },
      },
      retryPolicy,
    );
  const open = { ...claimed, claimToken: null };
  const told = { ...denied, version: 2, attempts: 1 };

  test('a claim', () => {
    const begun = {
      state: 'claimed',
      claimToken: 't',
      nextAttemptAt: 9_000,
      attempted: true,
      attempts: 1,
      revoked: [mail],
    };
    expect(claimed).toEqual({ ...due, ...begun });
    expect(onClaimed({ ...due, state: 'waiting' }, { token: 'u', deadline: 9_000 }, facts).ambiguous).toBe(false);
  });

  test.each<[string, RevocationOutcome, object]>([
    ['accepted', { kind: 'applied', reference: 'ref' }, { outcome: 'accepted', reference: 'ref' }],
    ['accepted without a reference', { kind: 'applied' }, { outcome: 'accepted' }],
    ['nothing to do', { kind: 'nothing-to-do', why: 'unknown' }, { outcome: 'nothing-to-do', reason: 'unknown' }],
    ['not recalled', { kind: 'not-recalled', why: 'sold' }, { outcome: 'not-recalled', reason: 'sold' }],
  ])('%s', (_what, outcome, says) => {
    const { reason = null, reference = null } = says as { reason?: string; reference?: string };
    const settled = {
      ...open,
      state: 'settled',
      nextAttemptAt: null,
      attempted: false,
      appliedVersion: 2,
      reason,
      reference,
    };
    expect(end(outcome)).toEqual({ delivery: settled, enforcements: [{ ...told, ...says }] });
  });

  test.each<[string, RevocationOutcome, object, string]>([
    ['told to wait', { kind: 'retry', why: 'throttled' }, { state: 'waiting', ambiguous: false }, 'throttled'],
    ['not answered', { kind: 'unclear', why: 'timeout' }, { state: 'unclear', ambiguous: true }, 'timeout'],
  ])('%s', (_what, outcome, waits, reason) => {
    expect(end(outcome)).toEqual({
      delivery: { ...open, ...waits, nextAttemptAt: 6_250, reason },
      enforcements: [{ ...told, outcome: 'waiting', reason }],
    });
  });

  test('refused', () => {
    expect(end({ kind: 'refused', why: 'permission' })).toEqual({
      delivery: { ...open, state: 'parked', nextAttemptAt: null, reason: 'permission' },
      enforcements: [{ ...told, outcome: 'parked', reason: 'permission' }],
    });
  });

  test('the pause grows with the attempts of this revocation, and begins anew for the next', () => {
    const after = (attempts: number) =>
      end({ kind: 'retry', why: 'x' }, { ...claimed, attempts }).delivery.nextAttemptAt;
    expect([0, 1, 3].map(after)).toEqual([6_250, 6_250, 7_000]);
  });

  test('a window still open: the attempt counts for nothing', () => {
    const { delivery } = end({ kind: 'applied' }, { ...claimed, inFlightUntil: 5_500, ambiguous: true });
    expect(delivery).toEqual({
      ...{ ...open, inFlightUntil: 5_500, state: 'waiting', reason: 'in-flight', nextAttemptAt: 6_000 },
      ...{ attempts: 0, ambiguous: false },
    });
  });

  test('an erasure leaves the row wiped unless something is allowed again', () => {
    const erasing = { claimed: { ...claimed, attempted: false, erasure: true } };
    const wipes = (desired: PurposeId[]) => end({ kind: 'applied' }, { ...claimed, erasure: true, desired }, erasing);
    expect([wipes([]), wipes([ads])].map(({ delivery: { wiped, exposed: left } }) => [wiped, left])).toEqual([
      [true, []],
      [false, []],
    ]);
  });

  test('a newer revocation of the same purposes is not settled by it', () => {
    const overtaken = changed(claimed, 'deny', 3, [ads]).delivery;
    expect(end({ kind: 'applied' }, overtaken).delivery).toMatchObject({ state: 'due', revokeVersion: 3, attempts: 0 });
  });

  test('a row that is claimed no more keeps its state, whatever token it still shows', () => {
    const row: Delivery = { ...claimed, state: 'waiting' };
    expect(end({ kind: 'applied' }, row)).toEqual({ delivery: row, enforcements: [] });
  });

  test('a window that closes early brings forward only what waited for it', () => {
    const waits: Delivery = { ...open, state: 'waiting', nextAttemptAt: 8_000, reason: 'throttled' };
    for (const row of [waits, { ...waits, state: 'parked', reason: 'in-flight' } as Delivery])
      expect(onWindowClosed(row, 7_000)).toEqual({ ...row, inFlightUntil: 7_000 });
  });

  test('a replay begins anew, tells nothing more than before, and touches nothing that is not parked', () => {
    const parked = end({ kind: 'refused', why: 'permission' }).delivery;
    const again = { state: 'due', attempts: 0, nextAttemptAt: 7_000, reason: 'replayed' };
    expect(onReplayed(parked, 7_000)).toEqual({ ...parked, ...again });
    expect(onReplayed(claimed, 7_000)).toBe(claimed);
  });
});

test('a set of purposes is in order, whoever comes first', () =>
  expect(union([mail], [ads, mail])).toEqual([ads, mail]));
