import type { Cause, ControllerId, NoticeRef, PurposeId, RecipientId, SubjectId, SubjectKey } from '@entente/contracts';
import type { FieldFault } from './answer.ts';
import type { LostState } from '../restore/lost-change.ts';
import type { Evidence } from './evidence.ts';
import type { Place } from './fair-queue.ts';

/** The denying part of a request; judged by state alone (REC-3). */
export interface Deny {
  /** Names as given, or every purpose there is. */
  readonly purposes: readonly PurposeId[] | 'all';
  /** `withdrawn` for a withdrawal, `objected` for an objection (GDPR 21), `denied` for a refusal given with other decisions. */
  readonly to: 'denied' | 'withdrawn' | 'objected';
  /** Those of `purposes` that the person objects to while the others are `to`. */
  readonly objected?: readonly PurposeId[];
  /** Only these recipients are refused; the purposes stay granted for the others. */
  readonly recipients?: readonly RecipientId[];
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
  /** An import needs none: taking the same row again changes nothing (REC-7). */
  | { readonly kind: 'by-state' }
  | { readonly kind: 'given'; readonly key: string; readonly fingerprint: string };

/** What may stop whatever allows more than before, and nothing else (REC-3). */
export interface Preconditions {
  readonly ifMatch?: IfMatch;
  readonly key: RequestKey;
  /** The caller's token holds `consent:grant`. */
  readonly mayGrant: boolean;
}

/** The granting part of a request; preconditions can stop it, and nothing else of the request (REC-3). */
export interface Grant extends Preconditions {
  readonly items: readonly GrantItem[];
  readonly notice?: NoticeRef;
  /** Evidence that cannot be read proves nothing, so it stops the grant; the denying part goes without it. */
  readonly evidenceFaults?: readonly FieldFault[];
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
  /** The import it stands in. */
  readonly import?: string;
}

/** Another key of the person, as a request names it. */
export interface OtherSubject {
  readonly subjectId: SubjectId;
  readonly candidates: readonly [SubjectKey, ...SubjectKey[]];
}

/** What happens to a person's record beside decisions. */
export type SubjectEvent =
  /** Grants whose end has come are recorded as ended. */
  | { readonly kind: 'expiry' }
  /** REC-8. */
  | { readonly kind: 'erasure' }
  /** REC-7: from now on the two are one person. */
  | { readonly kind: 'merge'; readonly other: OtherSubject; readonly preconditions: Preconditions }
  /** The other is no longer this person. */
  | { readonly kind: 'split'; readonly other: OtherSubject }
  /** RST-4: the database lost what the logs say of the person. */
  | { readonly kind: 'restore'; readonly lost: LostState };

/** One request to change one person's consent: decisions (at least one of `deny` and `grant`) or an `event`. */
export interface Command {
  readonly controller: ControllerId;
  /** Absent where the service acts by itself and knows the key alone. */
  readonly subjectId?: SubjectId;
  /** The person's key under every live hash key, newest first. */
  readonly candidates: readonly [SubjectKey, ...SubjectKey[]];
  /** Why the states change; `person` where nothing is said. Only a person's own grant lifts a refusal (REC-7). */
  readonly cause?: Cause;
  readonly identifiers?: GivenIdentifiers;
  /** Pseudonyms of the identifiers of an import, to be looked for among those of erased people (REC-8). */
  readonly suppressible?: readonly string[];
  readonly deny?: Deny;
  readonly grant?: Grant;
  readonly event?: SubjectEvent;
  /** The notice the person had before them; kept with a refusal when it exists. */
  readonly notice?: NoticeRef;
  readonly evidence?: Evidence;
  readonly actor: Actor;
  readonly traceparent?: string;
}

/** The request key that guards this command's granting part, where it has one. */
export const requestKeyOf = ({ grant, event }: Command): RequestKey | undefined =>
  grant?.key ?? (event?.kind === 'merge' ? event.preconditions.key : undefined);

/**
 * Deny-direction requests have their own batches and pool (REC-2): refusing a purpose or a recipient is one, and so is
 * whatever happens beside decisions, because it may take something away.
 */
export const isDenying = (command: Command): boolean =>
  command.deny !== undefined ||
  command.event !== undefined ||
  (command.grant?.items.some(({ refused }) => refused !== undefined) ?? false);

/** Turns are by controller; a person's requests share a transaction or follow one another. */
export const placeOf = ({ controller, candidates: [key] }: Command): Place => ({ lane: controller, key });
