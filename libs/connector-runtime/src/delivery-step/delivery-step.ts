import type { ConsentVector, Outcome as EnforcementOutcome, PurposeId } from '@entente/contracts';
import type { RevocationOutcome } from '../partner/outcome.ts';
import { isPending, type Delivery } from './delivery.ts';
import { nextStep, type NextStep, type RetryPolicy } from './next-step.ts';
import { intersection, union, without } from './purpose-set.ts';

/** What the rules need to know of the recipient of a row. */
export interface RecipientFacts {
  readonly purposes: readonly PurposeId[];
  /** It may hold people we never recorded an exposure for (DLV-6). */
  readonly preloaded: boolean;
}

/** Something to tell on `consent.enforcements.v1`. */
export interface Enforcement {
  readonly version: number;
  readonly direction: 'deny' | 'grant';
  readonly outcome: EnforcementOutcome;
  readonly reason?: string;
  readonly reference?: string;
  readonly attempts: number;
}

export interface Stepped {
  readonly delivery: Delivery;
  readonly enforcements: readonly Enforcement[];
}

export interface Changed {
  readonly version: number;
  readonly direction: 'deny' | 'grant';
  readonly vector: ConsentVector;
  readonly erasure: boolean;
  /** The event names this recipient (TRK-1): an answer is expected. */
  readonly concerned: boolean;
  readonly desired: readonly PurposeId[];
  readonly catalogue: number;
  readonly now: number;
}

const unchanged = (delivery: Delivery): Stepped => ({ delivery, enforcements: [] });

/** Purposes this recipient may hold data for. Who was deleted there is not preloaded any more (DLV-6). */
const held = (delivery: Delivery, facts: RecipientFacts): readonly PurposeId[] =>
  facts.preloaded && !delivery.wiped
    ? union(delivery.exposed, union(facts.purposes, delivery.revoked))
    : delivery.exposed;

/**
 * Purposes this recipient may hold, that were allowed until now or never revoked since they were shared, and are not any
 * more: a reducing catalogue took them, or they have expired, whatever event it is that shows it. One that was revoked and
 * is allowed again may have been resumed there, told or not (DLV-5).
 */
function lost(delivery: Delivery, desired: readonly PurposeId[], facts: RecipientFacts): readonly PurposeId[] {
  const takenBack = without(delivery.revoked, delivery.desired);
  const shared = without(without(delivery.exposed, takenBack), desired);
  return facts.preloaded ? union(shared, without(delivery.desired, desired)) : shared;
}

/** DLV-1: the newest event wins; an older one, or the same from the other lane, changes nothing (ORDER). */
export function onChanged(delivery: Delivery, change: Changed, facts: RecipientFacts): Stepped {
  if (change.version <= delivery.version) return unchanged(delivery);
  const { version, vector, desired, catalogue } = change;
  const wiped = delivery.wiped && desired.length === 0;
  const newest: Delivery = { ...delivery, version, vector, desired, catalogue, wiped };
  if (change.direction === 'deny') return afterDeny(newest, change, facts);
  return afterGrant(newest, lost(delivery, desired, facts), change.now, facts);
}

function afterDeny(delivery: Delivery, change: Changed, facts: RecipientFacts): Stepped {
  const mayHold = held(delivery, facts);
  const fellAway = without(mayHold, delivery.desired).length > 0;
  if (!change.concerned && !isPending(delivery) && !fellAway)
    // Nothing is there to erase, and nothing of this person stays here.
    return unchanged(change.erasure ? { ...delivery, wiped: true } : delivery);
  // On the express lane it tells of the grant before it as well: to revoke nothing would be to tell the partner of that grant.
  const grantedAgain = !change.concerned && !change.erasure && !fellAway && mayHold.length > 0;
  if (grantedAgain && !delivery.attempted && !delivery.erasure) return superseded(delivery);
  return revokeFrom({ ...delivery, consumedAt: change.now }, change.version, change.erasure, change.now, facts);
}

/** A revocation is wanted at `version`: never shared, a new one, or a newer one that takes the place of the pending one. */
function revokeFrom(
  delivery: Delivery,
  version: number,
  erasure: boolean,
  now: number,
  facts: RecipientFacts,
): Stepped {
  const pending = isPending(delivery);
  const erases = erasure || (pending && delivery.erasure);
  if (held(delivery, facts).length === 0 && !(pending && delivery.attempted))
    return neverShared(delivery, version, erases);
  const behindAttempt = pending && delivery.attempted;
  return unchanged({
    ...delivery,
    // One attempt at a time: the running one ends first, and its end finds the newer version.
    state: delivery.state === 'claimed' ? 'claimed' : 'due',
    revokeVersion: version,
    // After an attempt that may have had its effect nothing is given back on the way (DLV-4, DLV-5).
    revokeTo: behindAttempt ? intersection(delivery.desired, delivery.revokeTo) : delivery.desired,
    erasure: erases,
    attempted: behindAttempt,
    ambiguous: pending && delivery.ambiguous,
    attempts: 0,
    nextAttemptAt: delivery.state === 'claimed' ? delivery.nextAttemptAt : now,
    reason: null,
    reference: null,
  });
}

/** DLV-6: settles under the row's lock; the row stays as the fence. */
function neverShared(delivery: Delivery, version: number, erases: boolean): Stepped {
  return {
    delivery: {
      ...delivery,
      state: 'settled',
      revokeVersion: version,
      revokeTo: delivery.desired,
      erasure: false,
      wiped: (delivery.wiped || erases) && delivery.desired.length === 0,
      attempted: false,
      ambiguous: false,
      attempts: 0,
      nextAttemptAt: null,
      claimToken: null,
      appliedVersion: version,
      reason: 'never-shared',
      reference: null,
    },
    enforcements: [{ version, direction: 'deny', outcome: 'never-shared', attempts: 0 }],
  };
}

/** DLV-5: a grant supersedes only a revocation never attempted, never an erasure; otherwise it waits behind it. */
function afterGrant(delivery: Delivery, lostNow: readonly PurposeId[], now: number, facts: RecipientFacts): Stepped {
  if (!isPending(delivery)) {
    if (lostNow.length === 0) return unchanged(delivery);
    const told: Delivery = { ...delivery, revoked: union(delivery.revoked, lostNow), consumedAt: now };
    return revokeFrom(told, delivery.version, false, now, facts);
  }
  // A pending revocation keeps no purpose that is no longer allowed, and gives nothing back on the way.
  if (delivery.attempted || delivery.erasure)
    return unchanged({ ...delivery, revokeTo: intersection(delivery.revokeTo, delivery.desired) });
  const stillToRevoke = without(held(delivery, facts), delivery.desired);
  if (stillToRevoke.length > 0)
    return unchanged({ ...delivery, revokeTo: delivery.desired, revokeVersion: delivery.version });
  return superseded(delivery);
}

/** DLV-5: what was to be taken away is allowed again before anybody was told. */
function superseded(delivery: Delivery): Stepped {
  const { revokeVersion: version, attempts } = delivery;
  return {
    delivery: { ...delivery, state: 'none', nextAttemptAt: null, attempts: 0, reason: null },
    enforcements: [{ version, direction: 'deny', outcome: 'superseded', attempts, reason: 'granted-again' }],
  };
}

/** DLV-1: the recompute after a reducing catalogue change; what fell away is revoked at the version the row has. */
export function onCatalogue(
  delivery: Delivery,
  recomputed: { readonly desired: readonly PurposeId[]; readonly catalogue: number; readonly now: number },
  facts: RecipientFacts,
): Stepped {
  if (recomputed.catalogue <= delivery.catalogue) return unchanged(delivery);
  const fellAway = lost(delivery, recomputed.desired, facts);
  const newest: Delivery = { ...delivery, desired: recomputed.desired, catalogue: recomputed.catalogue };
  if (fellAway.length === 0) {
    // A pending revocation keeps no purpose that the newer catalogue no longer allows.
    if (!isPending(newest)) return unchanged(newest);
    return unchanged({ ...newest, revokeTo: intersection(newest.revokeTo, newest.desired) });
  }
  const told: Delivery = { ...newest, revoked: union(newest.revoked, fellAway), consumedAt: recomputed.now };
  return revokeFrom(told, newest.version, false, recomputed.now, facts);
}

/** DLV-2: an attempt begins. A claim found past its deadline had an attempt whose end nobody knows. */
export function onClaimed(
  delivery: Delivery,
  claim: { readonly token: string; readonly deadline: number },
  facts: RecipientFacts,
): Delivery {
  return {
    ...delivery,
    state: 'claimed',
    claimToken: claim.token,
    nextAttemptAt: claim.deadline,
    attempted: true,
    ambiguous: delivery.ambiguous || delivery.state === 'claimed',
    attempts: delivery.attempts + 1,
    revoked: union(delivery.revoked, without(facts.purposes, delivery.revokeTo)),
  };
}

/** The end of an attempt, as its worker saw it. */
export interface Ended {
  readonly token: string;
  /** The row as it was claimed. */
  readonly claimed: Pick<Delivery, 'revokeVersion' | 'revokeTo' | 'erasure' | 'attempted' | 'revoked'>;
  readonly outcome: RevocationOutcome;
  /** False when no byte of the attempt left this process. */
  readonly sent: boolean;
  /** Database time before the attempt's first byte. */
  readonly beganAt: number;
  /** Until then a share whose window this database lost may be on its way (RST-3), whatever the row says; null for none. */
  readonly lostWindowsEnd: number | null;
  readonly now: number;
  readonly random: number;
}

/** DLV-3, DLV-4: acknowledge, wait or park. A claim that was lost changes nothing. */
export function onEnded(delivery: Delivery, end: Ended, policy: RetryPolicy): Stepped {
  if (delivery.state !== 'claimed' || delivery.claimToken !== end.token) return unchanged(delivery);
  const released = end.sent ? delivery : notBegun(delivery, end);
  // A reducing catalogue takes purposes away without a new version.
  const reduced = without(end.claimed.revokeTo, delivery.revokeTo).length > 0;
  // A comparison with the consent service may find somebody erased at the version the row has (DLV-7).
  const erasedSince = delivery.erasure && !end.claimed.erasure;
  const overtaken = reduced || erasedSince || delivery.revokeVersion > end.claimed.revokeVersion;
  const step = nextStep(end.outcome, Math.max(delivery.attempts, 1), policy, end.random);
  switch (step.do) {
    case 'acknowledge':
      return acknowledged(released, end, step.as, overtaken);
    case 'wait':
      return waiting(released, end, step, overtaken);
    case 'park':
      return overtaken ? unchanged(dueAgain(released, end.now)) : parked(released, step.reason);
  }
}

const notBegun = (delivery: Delivery, end: Ended): Delivery => ({
  ...delivery,
  attempted: end.claimed.attempted,
  revoked: end.claimed.revoked,
});

const dueAgain = (delivery: Delivery, at: number): Delivery => ({
  ...delivery,
  state: 'due',
  claimToken: null,
  attempts: 0,
  nextAttemptAt: at,
});

function acknowledged(
  delivery: Delivery,
  end: Ended,
  outcome: Extract<NextStep, { do: 'acknowledge' }>['as'],
  overtaken: boolean,
): Stepped {
  const inFlightUntil = Math.max(delivery.inFlightUntil ?? 0, end.lostWindowsEnd ?? 0);
  if (inFlightUntil > end.beganAt) {
    // DLV-3: a share may have arrived after this revocation; only an attempt begun after the window may settle.
    const at = Math.max(inFlightUntil, end.now);
    const again: Delivery = { ...delivery, state: 'waiting', claimToken: null, nextAttemptAt: at, reason: 'in-flight' };
    return unchanged({ ...again, attempts: 0, ambiguous: false });
  }
  const reference = end.outcome.kind === 'applied' ? end.outcome.reference : undefined;
  const reason = outcome === 'accepted' || !('why' in end.outcome) ? undefined : end.outcome.why;
  const version = end.claimed.revokeVersion;
  const clean: Delivery = {
    ...delivery,
    claimToken: null,
    attempted: false,
    ambiguous: false,
    appliedVersion: version,
    reason: reason ?? null,
    reference: reference ?? null,
  };
  return {
    delivery: overtaken ? dueAgain(clean, end.now) : settled(clean),
    enforcements: [
      {
        version,
        direction: 'deny',
        outcome,
        attempts: delivery.attempts,
        ...(reason === undefined ? {} : { reason }),
        ...(reference === undefined ? {} : { reference }),
      },
    ],
  };
}

/** REC-8: after an erasure nothing of the person stays but the fence. */
function settled(clean: Delivery): Delivery {
  const ended: Delivery = { ...clean, state: 'settled', erasure: false, nextAttemptAt: null };
  return clean.erasure ? { ...ended, wiped: clean.desired.length === 0, exposed: [] } : ended;
}

function waiting(
  delivery: Delivery,
  end: Ended,
  step: { readonly ms: number; readonly reason: string; readonly ambiguous: boolean },
  overtaken: boolean,
): Stepped {
  const ambiguous = delivery.ambiguous || step.ambiguous;
  const next: Delivery = {
    ...delivery,
    state: ambiguous ? 'unclear' : 'waiting',
    ambiguous,
    claimToken: null,
    attempts: overtaken ? 0 : delivery.attempts,
    nextAttemptAt: end.now + step.ms,
    reason: step.reason,
  };
  // Told once per revocation: the tracker shows that it waits and why; each further retry is in the metrics.
  if (overtaken || delivery.attempts !== 1) return unchanged(next);
  const { revokeVersion: version } = delivery;
  return {
    delivery: next,
    enforcements: [{ version, direction: 'deny', outcome: 'waiting', reason: step.reason, attempts: 1 }],
  };
}

function parked(delivery: Delivery, reason: string): Stepped {
  const { revokeVersion: version, attempts } = delivery;
  return {
    delivery: { ...delivery, state: 'parked', claimToken: null, nextAttemptAt: null, reason },
    enforcements: [{ version, direction: 'deny', outcome: 'parked', reason, attempts }],
  };
}

/** DLV-7: an exposed person whom the consent service no longer knows was erased while we did not hear. */
export function onVanished(delivery: Delivery, now: number, facts: RecipientFacts): Stepped {
  const erased: Delivery = { ...delivery, vector: {}, desired: [], consumedAt: now };
  return revokeFrom(erased, Math.max(delivery.version, 1), true, now, facts);
}

/** A record about this person could not be read (design.md §4): nothing is shared until an event that can be. */
export function onUndecodable(delivery: Delivery): Stepped {
  if (isPending(delivery)) return unchanged(delivery);
  return unchanged({
    ...delivery,
    state: 'parked',
    revokeVersion: delivery.version,
    revokeTo: delivery.desired,
    attempted: false,
    ambiguous: false,
    attempts: 0,
    nextAttemptAt: null,
    reason: 'undecodable-record',
  });
}

/** The sender has proved that nothing of it is on its way any more, before its window ended. */
export function onWindowClosed(delivery: Delivery, now: number): Delivery {
  const waits = delivery.state === 'waiting' && delivery.reason === 'in-flight';
  return { ...delivery, inFlightUntil: now, nextAttemptAt: waits ? now : delivery.nextAttemptAt };
}

/** An operator has mended the cause. */
export const onReplayed = (delivery: Delivery, now: number): Delivery =>
  delivery.state === 'parked' ? { ...dueAgain(delivery, now), reason: 'replayed' } : delivery;
