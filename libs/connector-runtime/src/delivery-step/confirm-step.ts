import type { PurposeId } from '@entente/contracts';
import type { ConfirmationOutcome } from '../partner/definition.ts';
import { isPending, type Delivery } from './delivery.ts';
import { without } from './purpose-set.ts';

/** An accepted revocation whose effect is being asked for. Times are database milliseconds. */
export interface Question {
  readonly version: number;
  /** What may stay at the partner since then. */
  readonly allowed: readonly PurposeId[];
  readonly acceptedAt: number;
  /** How often it was asked, this time included. */
  readonly asks: number;
  /** How often the partner went back on what it had accepted at this version. */
  readonly contradictions: number;
}

export interface ConfirmPolicy {
  /** Pause between the acceptance and the first question: a partner that is done at once is confirmed at once. */
  readonly firstMs: number;
  /** Second pause; each later one is twice as long, up to `capMs`. */
  readonly baseMs: number;
  readonly capMs: number;
  /** Longest pause a partner may ask for. */
  readonly maxAskedMs: number;
  /** A partner that says nothing of a revocation accepted so long ago is not asked any more. */
  readonly giveUpAfterMs: number;
  /** The partner's word is broken so often in a row: a person must look. */
  readonly maxContradictions: number;
  /** First pause before a broken revocation is sent again, from the second time on. */
  readonly againMs: number;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/**
 * The longest documented time of a partner we know is 30 days (Segment, Amplitude: partner-apis.md §0), so 45 days leave
 * half as much again.
 */
export const confirmPolicy: ConfirmPolicy = {
  firstMs: 1_000,
  baseMs: 5_000,
  capMs: 60 * minuteMs,
  maxAskedMs: dayMs,
  giveUpAfterMs: 45 * dayMs,
  maxContradictions: 5,
  againMs: minuteMs,
};

/** A newer revocation, an attempt on its way or a grant of what was revoked: nobody needs the answer any more. */
export const isMoot = (
  delivery: Pick<Delivery, 'state' | 'appliedVersion' | 'desired'>,
  question: Pick<Question, 'version' | 'allowed'>,
): boolean =>
  isPending(delivery) ||
  delivery.appliedVersion !== question.version ||
  without(delivery.desired, question.allowed).length > 0;

export type AnswerStep =
  | { readonly do: 'confirm' }
  | { readonly do: 'revoke-again'; readonly waitMs: number; readonly park: boolean }
  | { readonly do: 'ask-again'; readonly ms: number; readonly reason: string | null }
  | { readonly do: 'give-up'; readonly reason: string };

/** ACK-TRUTH: only the partner's own word confirms; whoever cannot be asked is asked again, never taken for confirmed. */
export function onAnswer(
  question: Question,
  outcome: ConfirmationOutcome,
  policy: ConfirmPolicy,
  now: number,
  random: number,
): AnswerStep {
  switch (outcome.kind) {
    case 'confirmed':
      return { do: 'confirm' };
    case 'failed': {
      const broken = question.contradictions + 1;
      const waitMs = broken === 1 ? 0 : Math.min(policy.capMs, policy.againMs * 2 ** (broken - 2));
      return { do: 'revoke-again', waitMs, park: broken >= policy.maxContradictions };
    }
    case 'pending':
    case 'retry':
    case 'refused':
    case 'unclear': {
      const reason = outcome.kind === 'pending' ? null : outcome.why;
      if (now - question.acceptedAt >= policy.giveUpAfterMs) return { do: 'give-up', reason: reason ?? 'pending' };
      const asked = 'afterMs' in outcome ? Math.min(outcome.afterMs ?? 0, policy.maxAskedMs) : 0;
      return { do: 'ask-again', ms: Math.max(asked, pauseMs(question.asks, policy, random)), reason };
    }
  }
}

/** Half of it is random, so that the questions of one batch of acceptances do not come back together. */
function pauseMs(asks: number, { baseMs, capMs }: ConfirmPolicy, random: number): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(asks - 1, 30));
  return Math.round((ceiling * (1 + random)) / 2);
}
