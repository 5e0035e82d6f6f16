import type { At, OfRecipient } from './shapes.ts';

export type Effect = 'share' | 'revoke' | 'reinstate' | 'erase';

/**
 * First byte of an attempt (or of a chunk of one) leaving a connector, one event per subject × purpose in it. A retry
 * is a new attempt.
 */
export interface EgressStart extends At<'egress.start'>, OfRecipient {
  /** Where the tap noticed it later than it may have come (`at`): when it did. */
  readonly latest?: number;
  readonly attempt: string;
  /** Process instance it left from, as the nemesis names it. */
  readonly process: string;
  readonly effect: Effect;
  /** A share's purpose; desired-state calls name the purposes that fall away in `purposes`. */
  readonly purpose?: string;
  readonly purposes?: readonly string[];
  /** Version the call carries, if it carries one. */
  readonly version?: number;
  /** The share request or change this attempt works for; its retries carry the same. */
  readonly request?: string;
  /** Lease end the call carries, translated. */
  readonly deadline?: number;
  readonly partition?: number;
}

export interface EgressEnd extends At<'egress.end'> {
  readonly attempt: string;
  readonly how: 'answered' | 'reset' | 'closed';
  readonly status?: number;
}

/** One request at a partner: `at` is its arrival. */
export interface PartnerRequest extends At<'partner.request'>, OfRecipient {
  readonly attempt?: string;
  readonly effect: Effect;
  readonly purposes: readonly string[];
  readonly version?: number;
  readonly request?: string;
  /** `applied` and `nothing-to-do` are the documented success; `late` = refused past the deadline it carried. */
  readonly outcome: 'applied' | 'nothing-to-do' | 'refused' | 'late' | 'rate-limited' | 'error';
  /** When it took effect: absent = it never did. An `error` may have had an effect (F9). */
  readonly effectAt?: number;
  /** Whether the effect changed what the partner holds; absent = unknown. */
  readonly changed?: boolean;
  /** The partner's idempotency key, where it takes one, and the digest of the body under it. */
  readonly key?: string;
  readonly bodyDigest?: string;
  /** The answer left whole; without it the caller can only be unclear. */
  readonly answered: boolean;
}

/** What a partner holds of a subject in the final dump: the purposes it may use the data for. */
export interface PartnerState extends At<'partner.state'>, OfRecipient {
  readonly purposes: readonly string[];
}
