import { purposeId, type PurposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import type { Outcome } from '../partner/outcome.ts';
import { newDelivery, type Delivery } from './delivery.ts';
import { onClaimed, onEnded, onReplayed, onWindowClosed } from './attempt-step.ts';
import {
  onCatalogue,
  onChanged,
  onUndecodable,
  type Changed,
  type RecipientFacts,
  type Stepped,
} from './delivery-step.ts';
import { retryPolicy } from './next-step.ts';

const mail = purposeId('mail');
const ads = purposeId('ads');
const facts: RecipientFacts = { purposes: [ads, mail], preloaded: false };
const preloaded: RecipientFacts = { ...facts, preloaded: true };
const exposed: Delivery = { ...newDelivery, version: 1, desired: [ads, mail], catalogue: 1, exposed: [ads, mail] };

const change = (
  version: number,
  direction: 'deny' | 'grant',
  desired: PurposeId[],
  more: Partial<Changed> = {},
): Changed => ({
  version,
  direction,
  desired,
  vector: {},
  erasure: false,
  concerned: true,
  catalogue: 1,
  behind: false,
  now: 1_000,
  ...more,
});

const deny = (row: Delivery, version: number, desired: PurposeId[] = [], more: Partial<Changed> = {}, about = facts) =>
  onChanged(row, change(version, 'deny', desired, more), about);
const grant = (row: Delivery, version: number, desired: PurposeId[], about = facts) =>
  onChanged(row, change(version, 'grant', desired), about);
const claim = (row: Delivery, token = 't1') => onClaimed(row, { token, deadline: 9_000 }, facts);
const end = (
  claimed: Delivery,
  now: Delivery,
  outcome: Outcome,
  more: { beganAt?: number; sent?: boolean; before?: Delivery; lostWindowsEnd?: number } = {},
): Stepped =>
  onEnded(
    now,
    {
      token: claimed.claimToken ?? '',
      claimed: {
        revokeVersion: claimed.revokeVersion,
        revokeTo: claimed.revokeTo,
        erasure: claimed.erasure,
        attempted: more.before?.attempted ?? false,
        revoked: more.before?.revoked ?? [],
      },
      outcome,
      sent: more.sent ?? true,
      beganAt: more.beganAt ?? 2_000,
      lostWindowsEnd: more.lostWindowsEnd ?? null,
      now: 3_000,
      random: 0.5,
    },
    retryPolicy,
  );
const outcomesOf = ({ enforcements }: Stepped) => enforcements.map(({ outcome, version }) => `${outcome}@${version}`);
const applied: Outcome = { kind: 'applied', reference: 'ref-1' };
const unclear: Outcome = { kind: 'unclear', why: 'no-answer' };

describe('what is lost without a no', () => {
  const granted = (row: Delivery, desired: PurposeId[], about = facts) => grant(row, 2, desired, about).delivery;

  test('a grant by which a purpose fell away (reduced catalogue, expiry) revokes that purpose', () => {
    expect(granted(exposed, [mail])).toMatchObject({
      state: 'due',
      revokeVersion: 2,
      revokeTo: [mail],
      consumedAt: 1_000,
    });
  });

  test('a purpose already taken back is not taken back again by each grant', () => {
    expect(granted({ ...exposed, desired: [mail], revoked: [ads], state: 'settled' }, [mail]).state).toBe('settled');
  });

  test('DLV-5, NO-LOSS: a purpose that was allowed again may have been resumed, whoever was told, and is taken back once', () => {
    const again: Delivery = { ...exposed, desired: [ads, mail], revoked: [ads], state: 'settled', catalogue: 1 };
    const recomputed = { desired: [mail], catalogue: 2, now: 1_000 };
    const facts = { purposes: [mail], preloaded: false };
    const { delivery } = onCatalogue(again, recomputed, facts);
    expect(delivery).toMatchObject({ state: 'due', revokeTo: [mail], revoked: [ads] });
    const settled: Delivery = { ...delivery, state: 'settled' };
    expect(onCatalogue(settled, { ...recomputed, catalogue: 3 }, facts).delivery.state).toBe('settled');
  });

  test('a pending revocation that was attempted keeps no purpose that a grant shows as lost', () => {
    const attempted = { ...claim(deny(exposed, 2, [mail]).delivery), desired: [mail] };
    expect(grant(attempted, 3, []).delivery.revokeTo).toEqual([]);
  });

  test('a preloaded recipient that loses the purpose itself is told so', () => {
    const held: Delivery = { ...newDelivery, version: 1, desired: [ads, mail], catalogue: 1 };
    const recomputed = { desired: [mail], catalogue: 2, now: 1_000 };
    const { delivery } = onCatalogue(held, recomputed, { purposes: [mail], preloaded: true });
    expect(delivery).toMatchObject({ state: 'due', revokeTo: [mail], revoked: [ads] });
    const none = onCatalogue(held, { ...recomputed, desired: [] }, { purposes: [], preloaded: true });
    expect(none.delivery).toMatchObject({ state: 'due', revokeTo: [], revoked: [ads, mail] });
  });
});

describe('DLV-1: the newest desired state', () => {
  test('a deny of something exposed is due at once, planned from what stays', () => {
    expect(deny(exposed, 2, [ads]).delivery).toMatchObject({
      state: 'due',
      revokeVersion: 2,
      revokeTo: [ads],
      nextAttemptAt: 1_000,
    });
  });

  test.each([1, 2])('X-3 an event of version %i behind version 2 changes nothing', (version) => {
    const row = deny(exposed, 2).delivery;
    expect(grant(row, version, [ads, mail])).toEqual({ delivery: row, enforcements: [] });
  });

  test('a deny that does not concern the recipient only moves the version', () => {
    const { delivery, enforcements } = deny(exposed, 2, [ads, mail], { concerned: false });
    expect(delivery).toMatchObject({ state: 'none', version: 2 });
    expect(enforcements).toEqual([]);
  });

  test('what fell away is revoked even if the event forgot to name the recipient', () => {
    expect(deny(exposed, 2, [ads], { concerned: false }).delivery.state).toBe('due');
  });

  test('a reducing catalogue revokes what fell away, at the version the row has', () => {
    const { delivery } = onCatalogue(exposed, { desired: [ads], catalogue: 2, now: 5 }, facts);
    expect(delivery).toMatchObject({ state: 'due', revokeVersion: 1, revokeTo: [ads], catalogue: 2 });
  });

  test('a catalogue that reduces during an attempt is not settled by the end of that attempt', () => {
    const claimed = claim(onCatalogue(exposed, { desired: [ads], catalogue: 2, now: 5 }, facts).delivery);
    const reduced = onCatalogue(claimed, { desired: [], catalogue: 3, now: 6 }, facts).delivery;
    expect(end(claimed, reduced, applied).delivery).toMatchObject({ state: 'due', revokeTo: [] });
  });

  test('an older catalogue changes nothing', () => {
    expect(onCatalogue(exposed, { desired: [], catalogue: 1, now: 5 }, facts).delivery).toBe(exposed);
  });
});

describe('DLV-3: again after the window in which a share may be on its way', () => {
  const sharing: Delivery = { ...exposed, inFlightUntil: 2_500 };

  test('an attempt begun inside the window never settles; the next one goes out at its end', () => {
    const claimed = claim(deny(sharing, 2).delivery);
    const stepped = end(claimed, claimed, applied);
    expect(stepped.delivery).toMatchObject({ state: 'waiting', reason: 'in-flight', nextAttemptAt: 3_000 });
    expect(outcomesOf(stepped)).toEqual([]);
  });

  test('an attempt begun after it settles', () => {
    const claimed = claim(deny(sharing, 2).delivery);
    expect(outcomesOf(end(claimed, claimed, applied, { beganAt: 2_500 }))).toEqual(['accepted@2']);
  });

  test('after a loss the row’s word that nothing is on its way is not believed before the longest window has run out (RST-3)', () => {
    const claimed = claim(deny(exposed, 2).delivery);
    const lost = { beganAt: 2_500, lostWindowsEnd: 7_000 };
    const stepped = end(claimed, claimed, applied, lost);
    expect(stepped.delivery).toMatchObject({ state: 'waiting', reason: 'in-flight', nextAttemptAt: 7_000 });
    expect(outcomesOf(stepped)).toEqual([]);
    expect(outcomesOf(end(claimed, claimed, applied, { ...lost, beganAt: 7_000 }))).toEqual(['accepted@2']);
  });

  test('a window closed early brings the repetition forward', () => {
    const waiting: Delivery = { ...sharing, state: 'waiting', reason: 'in-flight', nextAttemptAt: 2_500 };
    expect(onWindowClosed(waiting, 2_100)).toMatchObject({ inFlightUntil: 2_100, nextAttemptAt: 2_100 });
  });
});

describe('DLV-4: outcomes', () => {
  test('accepted carries the partner’s reference', () => {
    const claimed = claim(deny(exposed, 2).delivery);
    const stepped = end(claimed, claimed, applied);
    expect(stepped.delivery).toMatchObject({ state: 'settled', appliedVersion: 2, reference: 'ref-1' });
    expect(stepped.enforcements).toMatchObject([{ outcome: 'accepted', reference: 'ref-1', attempts: 1 }]);
  });

  test('waiting is told once per revocation', () => {
    const first = claim(deny(exposed, 2).delivery);
    const waited = end(first, first, { kind: 'retry', why: 'throttled' });
    expect(outcomesOf(waited)).toEqual(['waiting@2']);
    const second = claim(waited.delivery, 't2');
    expect(outcomesOf(end(second, second, { kind: 'retry', why: 'throttled' }))).toEqual([]);
  });

  test('once unclear, it stays unclear over a plain retry, until a clean answer', () => {
    const first = claim(deny(exposed, 2).delivery);
    const second = claim(end(first, first, unclear).delivery, 't2');
    const retried = end(second, second, { kind: 'retry', why: 'status-503' });
    expect(retried.delivery).toMatchObject({ state: 'unclear', ambiguous: true });
    const third = claim(retried.delivery, 't3');
    expect(end(third, third, applied).delivery).toMatchObject({ state: 'settled', ambiguous: false });
  });

  test('a refusal parks, with its reason', () => {
    const claimed = claim(deny(exposed, 2).delivery);
    const stepped = end(claimed, claimed, { kind: 'refused', why: 'authentication' });
    expect(stepped.delivery).toMatchObject({ state: 'parked', reason: 'authentication', nextAttemptAt: null });
    expect(outcomesOf(stepped)).toEqual(['parked@2']);
    expect(onReplayed(stepped.delivery, 7)).toMatchObject({ state: 'due', nextAttemptAt: 7, attempts: 0 });
  });

  test('a claim that was lost changes nothing', () => {
    const claimed = claim(deny(exposed, 2).delivery);
    const retaken = claim(claimed, 't2');
    expect(end(claimed, retaken, applied)).toEqual({ delivery: retaken, enforcements: [] });
    expect(retaken.ambiguous).toBe(true);
  });

  test('an attempt of which no byte left was none', () => {
    const before = deny(exposed, 2).delivery;
    const claimed = claim(before);
    const { delivery } = end(claimed, claimed, { kind: 'retry', why: 'not-sent' }, { sent: false, before });
    expect(delivery).toMatchObject({ attempted: false, revoked: [] });
  });
});

describe('DLV-5: supersession', () => {
  test('a newer deny takes the place of one that waits; the end of the older attempt settles only the older', () => {
    const claimed = claim(deny(exposed, 2, [ads]).delivery);
    const overtaken = deny(claimed, 3, []).delivery;
    expect(overtaken).toMatchObject({ state: 'claimed', revokeVersion: 3 });
    const stepped = end(claimed, overtaken, applied);
    expect(outcomesOf(stepped)).toEqual(['accepted@2']);
    expect(stepped.delivery).toMatchObject({ state: 'due', revokeVersion: 3, revokeTo: [] });
  });

  test('a grant supersedes a revocation never attempted', () => {
    const stepped = grant(deny(exposed, 2).delivery, 3, [ads, mail]);
    expect(stepped.delivery.state).toBe('none');
    expect(outcomesOf(stepped)).toEqual(['superseded@2']);
  });

  test('so does a deny of something else that shows it granted again, as the express lane tells of grants', () => {
    const elsewhere = (row: Delivery, desired: PurposeId[]) => deny(row, 4, desired, { concerned: false });
    const pending = deny(exposed, 2).delivery;
    const stepped = elsewhere(pending, [ads, mail]);
    expect(stepped.delivery).toMatchObject({ state: 'none', version: 4, desired: [ads, mail], revokeVersion: 2 });
    expect(outcomesOf(stepped)).toEqual(['superseded@2']);
    expect(elsewhere(pending, [ads]).delivery).toMatchObject({ state: 'due', revokeTo: [ads] });
    const claimed = claim(pending);
    expect(elsewhere(claimed, [ads, mail])).toMatchObject({ delivery: { state: 'claimed', revokeTo: [] } });
    const unsure = end(claimed, claimed, unclear).delivery;
    expect(elsewhere(unsure, [ads, mail])).toMatchObject({
      delivery: { state: 'due', revokeTo: [] },
      enforcements: [],
    });
    const erased = deny(exposed, 2, [], { erasure: true }).delivery;
    expect(elsewhere(erased, [ads, mail]).delivery).toMatchObject({ erasure: true });
  });

  test('a deny that takes nothing away here is answered for and not told, for it would tell of what is granted', () => {
    const mixed = deny(exposed, 2, [ads, mail]);
    expect(mixed.delivery).toMatchObject({ state: 'none', version: 2, appliedVersion: 2, consumedAt: 1_000 });
    expect(outcomesOf(mixed)).toEqual(['never-shared@2']);
    const pending = deny(exposed, 2).delivery;
    const again = deny(pending, 3, [ads, mail]);
    expect(again.delivery).toMatchObject({ state: 'none', version: 3, nextAttemptAt: null });
    expect(outcomesOf(again)).toEqual(['never-shared@3']);
    const parked = onUndecodable(exposed).delivery;
    expect(deny(parked, 2, [ads, mail]).delivery.state).toBe('none');
  });

  test.each([
    ['an attempt', claim(deny(exposed, 2).delivery), {}],
    ['an erasure that waits', deny(exposed, 2, [], { erasure: true }).delivery, {}],
    ['an erasure itself', exposed, { erasure: true }],
  ])('but not where there is %s', (_what, row, more) => {
    const { delivery, enforcements } = deny(row, 3, [ads, mail], more);
    expect(delivery).toMatchObject({ state: row.state === 'claimed' ? 'claimed' : 'due', revokeVersion: 3 });
    expect(enforcements).toEqual([]);
  });

  test('nor where a purpose is denied though never shared: the partner may have been told of it beside a share', () => {
    const shared: Delivery = { ...exposed, desired: [ads], exposed: [ads] };
    expect(deny(shared, 2, [ads]).delivery).toMatchObject({ state: 'due', revokeTo: [ads] });
  });

  test('nor where the recipient’s purposes are not known yet: the event was decided by a newer catalogue', () => {
    expect(deny(exposed, 2, [ads, mail], { behind: true }).delivery).toMatchObject({ state: 'due', revokeVersion: 2 });
  });

  test('NO-LOSS: what the partner was told beside a share is revoked, though only another purpose was shared and is back', () => {
    const shared: Delivery = { ...exposed, exposed: [ads] };
    const pending = deny(shared, 2).delivery;
    expect(grant(pending, 3, [ads]).delivery).toMatchObject({ state: 'due', revokeVersion: 3, revokeTo: [ads] });
    const elsewhere = deny(pending, 3, [ads], { concerned: false });
    expect(elsewhere.delivery).toMatchObject({ state: 'due', revokeVersion: 3, revokeTo: [ads] });
  });

  test('a preloaded recipient is told of what the catalogue took from it meanwhile', () => {
    const narrower: RecipientFacts = { purposes: [ads], preloaded: true };
    const held: Delivery = { ...newDelivery, version: 1, desired: [ads, mail], catalogue: 1 };
    const mixed = deny(held, 2, [ads], {}, narrower);
    expect(mixed.delivery).toMatchObject({ state: 'due', revokeTo: [ads], revoked: [mail] });
    const pending = deny(held, 2, [ads], {}, preloaded).delivery;
    const recomputed = onCatalogue(pending, { desired: [ads], catalogue: 2, now: 1_000 }, narrower).delivery;
    expect(deny(recomputed, 3, [ads], { concerned: false }, narrower).delivery).toMatchObject({
      state: 'due',
      revokeTo: [ads],
    });
  });

  test('TRK-1: of a record nobody could read here, the newest version is answered for', () => {
    const parked = onUndecodable({ ...exposed, revokeVersion: 1 }).delivery;
    expect(outcomesOf(grant(parked, 4, [ads, mail]))).toEqual(['superseded@4']);
  });

  test('a grant of a part leaves the rest to be revoked', () => {
    expect(grant(deny(exposed, 2).delivery, 3, [ads]).delivery).toMatchObject({ state: 'due', revokeTo: [ads] });
  });

  test('a grant waits behind a revocation that was attempted', () => {
    const claimed = claim(deny(exposed, 2).delivery);
    const { delivery } = grant(end(claimed, claimed, unclear).delivery, 3, [ads, mail]);
    expect(delivery).toMatchObject({ state: 'unclear', revokeVersion: 2, revokeTo: [], version: 3 });
  });

  test('a grant never supersedes an erasure', () => {
    const erased = deny(exposed, 2, [], { erasure: true }).delivery;
    expect(grant(erased, 3, [ads, mail]).delivery).toMatchObject({ state: 'due', revokeTo: [], erasure: true });
  });

  test('a deny behind an unclear attempt gives nothing back on the way', () => {
    const claimed = claim(deny(exposed, 2).delivery);
    const granted = grant(end(claimed, claimed, unclear).delivery, 3, [ads, mail]).delivery;
    expect(deny(granted, 4, [ads]).delivery).toMatchObject({ revokeVersion: 4, revokeTo: [] });
  });

  test('what the partner was told to stop is remembered for the reinstatement', () => {
    expect(claim(deny(exposed, 2, [ads]).delivery).revoked).toEqual([mail]);
  });
});

describe('DLV-6: never shared', () => {
  test('without exposure it settles at once, and the row stays as the fence', () => {
    const stepped = deny(newDelivery, 2);
    expect(outcomesOf(stepped)).toEqual(['never-shared@2']);
    expect(stepped.delivery).toMatchObject({ state: 'settled', version: 2, appliedVersion: 2 });
  });

  test('a preloaded recipient is told all the same', () => {
    expect(deny(newDelivery, 2, [], {}, preloaded).delivery.state).toBe('due');
  });
});

test('an undecodable record parks the row until an event that can be read', () => {
  const parked = onUndecodable(exposed).delivery;
  expect(parked).toMatchObject({ state: 'parked', reason: 'undecodable-record' });
  expect(deny(parked, 2).delivery.state).toBe('due');
  // DLV-5: nobody knows what stands, so a replay tells the partner yes of nothing; the next share resumes it.
  expect(onReplayed(parked, 7)).toMatchObject({ state: 'due', revokeTo: [ads, mail], revoked: [ads, mail] });
  expect(grant(parked, 2, [ads, mail]).delivery.state).toBe('none');
  // Of what is granted and of what is not, the partner is told: it may not have heard of a denial in between.
  expect(grant(parked, 2, [ads]).delivery).toMatchObject({ state: 'due', revokeVersion: 2, revokeTo: [ads] });
  const stranger = onUndecodable({ ...newDelivery, version: 1 }).delivery;
  expect(grant(stranger, 2, [ads]).delivery.state).toBe('none');
});
