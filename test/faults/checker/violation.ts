import type { HistoryEvent } from './history.ts';

/** Every rule the checker judges: the invariants of reliability-plan §2 and the topic-level anomalies of its §6. */
export const rules = [
  'NO-LEAK',
  'NO-LEAK-STRICT',
  'PAUSE-LEAK',
  'FAIL-CLOSED',
  'LEASE-RESET',
  'RE-CHECK',
  'INFLIGHT',
  'AVAIL',
  'EXPIRY',
  'CAUSAL',
  'DURABLE-ACK',
  'NO-PHANTOM',
  'NO-LOSS',
  'RESTORED',
  'NEVER-BLOCKED',
  'LEDGER',
  'TAKEOVER',
  'ORDER',
  'FENCE',
  'CONVERGENCE',
  'API-IDEMPOTENT',
  'EFFECT-ONCE',
  'ACK-TRUTH',
  'ACK-COMPLETE',
  'LAG-TRUTH',
  'GAP',
  'PRIVACY',
  'ISOLATION',
  'LOST-WRITE',
  'DUPLICATE',
  'INCONSISTENT-OFFSET',
  'UNSEEN-RECORD',
  'ABORTED-READ',
  'NON-MONOTONIC-POLL',
  'SKIPPED-POLL',
  'STUCK-CONSUMER',
] as const;
export type Rule = (typeof rules)[number];

/** One promise broken, with the shortest list of events that shows it, in the order of their times. */
export interface Violation {
  readonly rule: Rule;
  /** One sentence for a person: what happened and what should have been. */
  readonly what: string;
  readonly events: readonly HistoryEvent[];
}

/**
 * PAUSE-LEAK is counted apart (reliability-plan §3 rule 13, design.md §2): no sender can rule out a stop between its
 * last deadline check and its first byte. Everything else is a broken promise.
 */
export const isBroken = (violation: Violation): boolean => violation.rule !== 'PAUSE-LEAK';
