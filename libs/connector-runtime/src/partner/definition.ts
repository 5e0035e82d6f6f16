import type {
  IdentifierKind,
  Identifiers,
  PlainText,
  PurposeId,
  RecipientId,
  RecipientKind,
  SubjectKey,
} from '@entente/contracts';
import type { Egress, HttpRequest, Sent, Shareable } from '@entente/gate';
import type { Logger } from '@entente/observability';
import type { Outcome, RevocationOutcome } from './outcome.ts';

/** One person's data on its way to a recipient; fields are already reduced to what the purpose may carry. */
export interface ShareItem {
  readonly subjectKey: SubjectKey;
  readonly purpose: PurposeId;
  readonly identifiers: Identifiers;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Stays the same over retries: for partners that drop duplicates. */
  readonly requestId: string;
}

/** What became of one item of a share attempt. */
export type ShareOutcome =
  | { readonly kind: 'sent' }
  /** The gate said no at the write: dropped with its reason. */
  | { readonly kind: 'denied'; readonly reason: string }
  /** The gate could not know: held. */
  | { readonly kind: 'stale'; readonly reason: string }
  | Exclude<Outcome, { kind: 'applied' } | { kind: 'nothing-to-do' }>;

/** Make a recipient stop and forget: bring it to `allowed`, which is all that may stay. */
export interface Revocation {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  /** Every set of identifiers recorded at a share, and those of the event (DLV-3). Never empty. */
  readonly identifiers: readonly Identifiers[];
  /** What stays allowed at this recipient: the plan is made from this set (DLV-1). */
  readonly allowed: readonly PurposeId[];
  /**
   * Of `allowed`, what was stopped there before and has not been resumed since: only a share or `reinstate` may give it back,
   * past the gate. Whoever tells a partner a person's whole state says no of these (DLV-5).
   */
  readonly stopped: readonly PurposeId[];
  readonly recipientPurposes: readonly PurposeId[];
}

/** A revocation this partner accepted, whose effect it has not yet shown. */
export interface Confirmation {
  readonly subjectKey: SubjectKey;
  /** What the partner called the accepted request, where its answer named one. */
  readonly reference?: string;
  readonly identifiers: readonly Identifiers[];
  /** What stays allowed at this recipient since then. */
  readonly allowed: readonly PurposeId[];
  readonly recipientPurposes: readonly PurposeId[];
  /** Wall time of the acceptance in milliseconds. */
  readonly acceptedAt: number;
  /** What was accepted is the deletion of the person, by `erase` where the partner has it. */
  readonly erasure?: true;
}

/** A revocation the partner has just accepted, by what can be told of it before any question. */
export type AcceptedRevocation = Pick<Confirmation, 'reference' | 'erasure'>;

/** What the partner says about the effect of an accepted revocation. */
export type ConfirmationOutcome =
  /** Seen to hold at the partner: its job ended well, or reading the person back shows it. */
  | { readonly kind: 'confirmed' }
  /** Still under way there; `afterMs` is the partner's own wish for the next question. */
  | { readonly kind: 'pending'; readonly afterMs?: number }
  /** The partner accepted and it did not happen, or only in part: the revocation is due again. */
  | { readonly kind: 'failed'; readonly why: string }
  /** It could not be asked. */
  | Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** Make a recipient delete all it holds of a person (Art. 17). */
export interface Erasure {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  /** Every set of identifiers recorded at a share, and those of the event. Never empty. */
  readonly identifiers: readonly Identifiers[];
}

/** A person whose state at the partner is compared with ours. */
export interface ReadBackItem {
  readonly subjectKey: SubjectKey;
  readonly identifiers: readonly Identifiers[];
  readonly recipientPurposes: readonly PurposeId[];
}

/** What the partner's own store says of one person. */
export type ReadBack =
  /** Purposes it still holds or serves them for; empty when it knows nobody by these identifiers. */
  | { readonly kind: 'read'; readonly served: readonly PurposeId[] }
  | Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** Undo at the partner what a revocation did, before the first share after a new grant (DLV-5). */
export interface Reinstatement {
  readonly subjectKey: SubjectKey;
  readonly identifiers: readonly Identifiers[];
  /** The purpose to bring back. */
  readonly purpose: PurposeId;
}

/** A reinstatement before the gate has decided: what names no person can be read, the rest only at the write. */
export interface GatedReinstatement {
  readonly purpose: PurposeId;
  /** Every purpose of this recipient stands revoked, so whatever was done to the person as a whole must be undone. */
  readonly wholly: boolean;
  readonly item: Shareable<Reinstatement>;
}

/** What egress looks like to a partner: the gated way for people's data, nothing else. */
export type GatedEgress = Pick<Egress, 'share'>;

export interface PartnerContext<S extends object> {
  readonly recipient: RecipientId;
  /** All purposes of this recipient in the catalogue. */
  readonly purposes: readonly PurposeId[];
  readonly settings: S;
  /** The only way out for data (GATE-5). */
  readonly egress: GatedEgress;
  /** Ungated: revocations and confirmations. Refuses by itself once the claim's deadline has passed (DLV-2). */
  call(request: HttpRequest): Promise<Sent>;
  /** What the gate allows for this person at this recipient, now; to be read in the tick of the write. */
  allowed(subjectKey: SubjectKey): PurposeId[];
  /** Wall time in milliseconds, for partners that want it signed. */
  now(): number;
  /** Fields of a log line must name no person. */
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Limits in force at the partner; the runtime keeps them. */
export interface PartnerLimits {
  /** Items per share request. */
  readonly shareBatch: number;
  /** Bytes of fields per share request, where the partner limits its body. */
  readonly shareBytes?: number;
  /** Persons per revoke call. */
  readonly revokeBatch: number;
  /** Calls of `share` and `revoke` at the same time. */
  readonly concurrency: number;
  /** HTTP requests per `perMs`. */
  readonly calls: number;
  readonly perMs: number;
}

/** A partner in one value: what the service lists, the console shows and the contract suite runs. */
export interface PartnerDefinition<S extends object> {
  readonly partner: string;
  readonly kind: RecipientKind;
  /** Validated at start with its own decorators. */
  readonly settings: new () => S;
  /** Kinds of identifier it works with; at least one of them must be known of a person. */
  readonly identifiers: readonly IdentifierKind[];
  readonly limits: PartnerLimits;
  /** What the partner's documentation says about its own processing time. */
  readonly documentedDelay: PlainText;
  /** `purpose`: a share request carries one purpose only. */
  readonly shareBy: 'recipient' | 'purpose';
  /** Hosts it may be reached at, where its settings hold more than addresses: `host`, `host:port` or `*.domain`. */
  hosts?(settings: S): readonly string[];
  /** One outcome per item, in the same order. */
  share(batch: Shareable<ShareItem>[], context: PartnerContext<S>): Promise<ShareOutcome[]>;
  /** One outcome per item, in the same order. */
  revoke(batch: readonly Revocation[], context: PartnerContext<S>): Promise<RevocationOutcome[]>;
  /** One outcome per item, in the same order; gated like a share. */
  reinstate?(batch: readonly GatedReinstatement[], context: PartnerContext<S>): Promise<ShareOutcome[]>;
  /** Asks what became of accepted revocations, by their reference. One outcome per item, in the same order. */
  confirm?(batch: readonly Confirmation[], context: PartnerContext<S>): Promise<ConfirmationOutcome[]>;
  /** Whether these settings let it be asked about this acceptance; without this, about each. */
  askable?(settings: S, accepted: AcceptedRevocation): boolean;
  /** Whether these settings let people be read back; always, without this. */
  readable?(settings: S): boolean;
  /** Where the partner can be read: what it holds now. One answer per item, in the same order. */
  readBack?(batch: readonly ReadBackItem[], context: PartnerContext<S>): Promise<ReadBack[]>;
  /** Where the partner can delete a person; elsewhere an erasure is a revocation of everything. Same order. */
  erase?(batch: readonly Erasure[], context: PartnerContext<S>): Promise<Outcome[]>;
}

/** Keeps the settings' type while a service lists partners of different settings. */
export const definePartner = <S extends object>(definition: PartnerDefinition<S>): PartnerDefinition<S> => definition;
