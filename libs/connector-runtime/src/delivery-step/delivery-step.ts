import type { ConsentVector, Outcome as EnforcementOutcome, PurposeId } from '@entente/contracts';
import { isPending, undecodable, type Delivery } from './delivery.ts';
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
  /** The event was decided by a newer catalogue than `catalogue`: which purposes the recipient has is not known. */
  readonly behind: boolean;
  readonly now: number;
}

export const unchanged = (delivery: Delivery): Stepped => ({ delivery, enforcements: [] });

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
  const lostNow = lost(delivery, desired, facts);
  if (change.direction === 'deny') return afterDeny(newest, lostNow, change, facts);
  return afterGrant(newest, lostNow, change.now, facts);
}

function afterDeny(delivery: Delivery, lostNow: readonly PurposeId[], change: Changed, facts: RecipientFacts): Stepped {
  const mayHold = held(delivery, facts);
  const fellAway = union(lostNow, without(mayHold, delivery.desired));
  if (!change.concerned && !isPending(delivery) && fellAway.length === 0)
    // Nothing is there to erase, and nothing of this person stays here.
    return unchanged(change.erasure ? { ...delivery, wiped: true } : delivery);
  // It tells of newer grants as well, and to revoke nothing would be to tell the partner of them, past the gate (DLV-5).
  const takesNothing = mayHold.length > 0 && lostNow.length === 0 && allIsAllowed(delivery, facts);
  if (takesNothing && !change.erasure && !change.behind && isUntold(delivery))
    return change.concerned ? nothingTaken(delivery, change) : superseded(delivery);
  // What this recipient had of the person only by its catalogue is forgotten with the newer one unless it is kept here.
  const revoked = facts.preloaded ? union(delivery.revoked, lostNow) : delivery.revoked;
  const told: Delivery = { ...delivery, revoked, consumedAt: change.now };
  return revokeFrom(told, change.version, change.erasure, change.now, facts);
}

/** Of a purpose of the recipient that is denied though never shared, the partner may have been told otherwise beside a share. */
const allIsAllowed = (delivery: Delivery, facts: RecipientFacts): boolean =>
  without(union(held(delivery, facts), facts.purposes), delivery.desired).length === 0;

/** No call about a pending revocation may have reached the partner, and nobody is to be erased there. */
const isUntold = (delivery: Delivery): boolean => !isPending(delivery) || (!delivery.attempted && !delivery.erasure);

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
    // It has had them by its catalogue, which may take them from it before anybody has told it.
    revoked: facts.preloaded ? union(delivery.revoked, without(facts.purposes, delivery.desired)) : delivery.revoked,
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
  if (held(delivery, facts).length === 0 || allIsAllowed(delivery, facts)) return superseded(delivery);
  // Nobody waits for what a person was to look at: a record that could not be read, until one that can be.
  if (delivery.reason === undecodable)
    return revokeFrom({ ...delivery, consumedAt: now }, delivery.version, false, now, facts);
  return unchanged({ ...delivery, revokeTo: delivery.desired, revokeVersion: delivery.version });
}

/** DLV-5: what was to be taken away is allowed again before anybody was told. */
function superseded(delivery: Delivery): Stepped {
  // Of a record nobody could read here, others may have read a denial at any version up to this one.
  const version = delivery.reason === undecodable ? delivery.version : delivery.revokeVersion;
  return {
    delivery: { ...delivery, state: 'none', nextAttemptAt: null, attempts: 0, reason: null },
    enforcements: [
      { version, direction: 'deny', outcome: 'superseded', attempts: delivery.attempts, reason: 'granted-again' },
    ],
  };
}

/**
 * A denial elsewhere that names this recipient for what it grants: of what it takes away nothing was ever sent here. What still
 * waited was taken back by it (TRK-1).
 */
function nothingTaken(delivery: Delivery, { version, now }: Changed): Stepped {
  const rests: Delivery = isPending(delivery) ? superseded(delivery).delivery : delivery;
  return {
    delivery: { ...rests, appliedVersion: version, consumedAt: now },
    enforcements: [{ version, direction: 'deny', outcome: 'never-shared', attempts: 0 }],
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
    reason: undecodable,
  });
}
