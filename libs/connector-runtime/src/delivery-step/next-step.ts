import type { RevocationOutcome } from '../partner/outcome.ts';
import { backoffMs, type Backoff } from './backoff.ts';

export interface RetryPolicy extends Backoff {
  /** The attempt after which a person must look. */
  readonly maxAttempts: number;
  /** Longest pause a partner may ask for. */
  readonly maxAskedMs: number;
}

/** DLV-4: first pause below 0.5 s, later ones below 60 s; 20 attempts are about a quarter of an hour. */
export const retryPolicy: RetryPolicy = { baseMs: 500, capMs: 60_000, maxAttempts: 20, maxAskedMs: 3_600_000 };

export type NextStep =
  | { readonly do: 'acknowledge'; readonly as: 'accepted' | 'nothing-to-do' | 'not-recalled' }
  | { readonly do: 'wait'; readonly ms: number; readonly reason: string; readonly ambiguous: boolean }
  | { readonly do: 'park'; readonly reason: string };

/**
 * What follows from an outcome (DLV-4). Retry-After is respected: the pause is never shorter than what the partner asked
 * for, so that a fleet does not return together the jitter is added on top.
 */
export function nextStep(outcome: RevocationOutcome, attempt: number, policy: RetryPolicy, random: number): NextStep {
  switch (outcome.kind) {
    case 'applied':
      return { do: 'acknowledge', as: 'accepted' };
    case 'nothing-to-do':
      return { do: 'acknowledge', as: 'nothing-to-do' };
    case 'not-recalled':
      return { do: 'acknowledge', as: 'not-recalled' };
    case 'refused':
      return { do: 'park', reason: outcome.why };
    case 'retry':
    case 'unclear': {
      if (attempt >= policy.maxAttempts) return { do: 'park', reason: outcome.why };
      const asked = outcome.kind === 'retry' ? Math.min(outcome.afterMs ?? 0, policy.maxAskedMs) : 0;
      const ms = asked + backoffMs(attempt, policy, random);
      return { do: 'wait', ms, reason: outcome.why, ambiguous: outcome.kind === 'unclear' };
    }
  }
}
