import type { Identifiers, PurposeId, SubjectKey } from '@entente/contracts';

/** Data asking to leave, checked and reduced to the fields its purpose may carry. */
export interface ShareRequest {
  readonly subjectKey: SubjectKey;
  readonly purpose: PurposeId;
  /** As given by the caller; null = those we know. */
  readonly identifiers: Identifiers | null;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly requestId: string;
  readonly atLeastVersion?: number;
}

/** How a share ended. `held` is no end: it is what a share still is when its caller has waited long enough. */
export interface ShareResult {
  readonly outcome: 'sent' | 'denied' | 'failed';
  /** From a closed list of words. */
  readonly reason?: string;
}

/** A share on its way. */
export interface Ticket {
  readonly done: Promise<ShareResult>;
  /** Why it has not left yet, if it is being held. */
  heldBecause(): string | null;
}
