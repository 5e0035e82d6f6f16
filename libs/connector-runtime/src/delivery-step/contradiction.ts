import type { ContradictionReason, PurposeId } from '@entente/contracts';
import { isPending, type Delivery } from './delivery.ts';
import type { Stepped } from './delivery-step.ts';
import { intersection } from './purpose-set.ts';

/** The partner has gone back on what it accepted, or serves what we told it to stop (ADR 12). */
export interface Contradiction {
  readonly reason: ContradictionReason;
  /** What may stay at the partner, as of now. */
  readonly desired: readonly PurposeId[];
  readonly erasure: boolean;
  readonly now: number;
  /** Pause before the next attempt: a partner that keeps nothing is not asked without end. */
  readonly waitMs: number;
  /** It did so too often: a person must look. */
  readonly park: boolean;
}

/** Due again at the version that had been settled; it counts as attempted, for its effect may yet come (DLV-4). */
export function onContradicted(delivery: Delivery, contradiction: Contradiction): Stepped {
  if (isPending(delivery) || delivery.version < 1) return { delivery, enforcements: [] };
  const { reason, now, waitMs, park } = contradiction;
  const version = delivery.appliedVersion > 0 ? delivery.appliedVersion : delivery.version;
  return {
    delivery: {
      ...delivery,
      state: park ? 'parked' : waitMs > 0 ? 'waiting' : 'due',
      revokeVersion: version,
      revokeTo: intersection(delivery.desired, contradiction.desired),
      erasure: contradiction.erasure,
      attempted: true,
      ambiguous: false,
      attempts: 0,
      nextAttemptAt: park ? null : now + waitMs,
      claimToken: null,
      reason,
      reference: null,
    },
    enforcements: [{ version, direction: 'deny', outcome: park ? 'parked' : 'waiting', reason, attempts: 0 }],
  };
}
