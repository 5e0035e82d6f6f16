import type { RevocationOutcome } from '../partner/outcome.ts';
import { undecodable, type Delivery } from './delivery.ts';
import { nextStep, type NextStep, type RetryPolicy } from './next-step.ts';
import { without, union } from './purpose-set.ts';
import { unchanged, type RecipientFacts, type Stepped } from './delivery-step.ts';

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

/** The sender has proved that nothing of it is on its way any more, before its window ended. */
export function onWindowClosed(delivery: Delivery, now: number): Delivery {
  const waits = delivery.state === 'waiting' && delivery.reason === 'in-flight';
  return { ...delivery, inFlightUntil: now, nextAttemptAt: waits ? now : delivery.nextAttemptAt };
}

/** An operator has mended the cause. */
export function onReplayed(delivery: Delivery, now: number): Delivery {
  if (delivery.state !== 'parked') return delivery;
  const again: Delivery = { ...dueAgain(delivery, now), reason: 'replayed' };
  // What could not be read may have been a denial: the partner is told yes of nothing, and resumed by the next share, past the gate.
  return delivery.reason === undecodable ? { ...again, revoked: union(again.revoked, again.desired) } : again;
}
