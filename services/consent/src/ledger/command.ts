import type { Cause, ControllerId, NoticeRef, PurposeId, RecipientId, SubjectId, SubjectKey } from '@entente/contracts';

/** The denying part of a request; judged by state alone (REC-3). */
export interface Deny {
  /** Names as given, or every purpose there is. */
  readonly purposes: readonly PurposeId[] | 'all';
  /** `withdrawn` for a withdrawal, `denied` for a refusal given with other decisions. */
  readonly to: 'denied' | 'withdrawn';
}

export interface GrantItem {
  /** Position in the request's list, for the pointers of a problem. */
  readonly index: number;
  readonly purpose: PurposeId;
  /** ISO 8601 in UTC. */
  readonly validUntil?: string;
  /** Sorted, without duplicates, never empty. */
  readonly refused?: readonly RecipientId[];
}

/** `If-Match` as sent: one strong version tag, `*`, or something else. */
export type IfMatch = { readonly kind: 'version'; readonly version: number } | { readonly kind: 'any' | 'malformed' };

/** `Idempotency-Key` as sent. The fingerprint is of the whole body, keyed, so that it tells nothing about a person. */
export type RequestKey =
  | { readonly kind: 'absent' | 'malformed' }
  | { readonly kind: 'given'; readonly key: string; readonly fingerprint: string };

/** The granting part of a request; preconditions can stop it, and nothing else of the request (REC-3). */
export interface Grant {
  readonly items: readonly GrantItem[];
  readonly notice?: NoticeRef;
  readonly ifMatch?: IfMatch;
  readonly key: RequestKey;
  /** The caller's token holds `consent:grant`. */
  readonly mayGrant: boolean;
}

export interface GivenIdentifiers {
  readonly email?: string;
  readonly phone?: string;
}

export interface Actor {
  readonly client: string;
  readonly route: string;
  /** The kept signal that says so. */
  readonly signal?: string;
}

/** One request to change one person's consent. At least one of `deny` and `grant` is there. */
export interface Command {
  readonly controller: ControllerId;
  readonly subjectId: SubjectId;
  /** The person's key under every live hash key, newest first. */
  readonly candidates: readonly [SubjectKey, ...SubjectKey[]];
  /** Why the states change; `person` where nothing is said. */
  readonly cause?: Cause;
  readonly identifiers?: GivenIdentifiers;
  readonly deny?: Deny;
  readonly grant?: Grant;
  /** The notice the person had before them; kept with a refusal when it exists. */
  readonly notice?: NoticeRef;
  readonly actor: Actor;
  readonly traceparent?: string;
}

/** Deny-direction requests have their own batches and pool (REC-2): refusing a purpose or a recipient is one. */
export const isDenying = (command: Command): boolean =>
  command.deny !== undefined || (command.grant?.items.some(({ refused }) => refused !== undefined) ?? false);
