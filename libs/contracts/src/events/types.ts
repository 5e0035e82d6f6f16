import type { CatalogueChange, PlainText } from '../catalogue.ts';
import type { Audience, ControllerId, GateStartId, PurposeId, RecipientId, SubjectKey } from '../ids.ts';
import type { ConsentVector, Decision } from '../vector.ts';

/** Why a state changed; every transition is an event with its cause. */
export const causes = ['person', 'signal', 'import', 'expiry', 'catalogue', 'merge', 'erasure', 'restore'] as const;
export type Cause = (typeof causes)[number];

/** One purpose's transition inside a change. */
export interface PurposeChange {
  readonly purpose: PurposeId;
  readonly from: Decision | null;
  readonly to: Decision;
  readonly cause: Cause;
}

/** `org.entente.consent.changed.v1`: self-contained; on both logs, identified by (controller, subjectKey, version). */
export interface ConsentChanged {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly version: number;
  /** Catalogue number read in the same transaction. */
  readonly catalogue: number;
  /** `deny` travels on the express lane too (REC-6). */
  readonly direction: 'deny' | 'grant';
  /** The whole vector after the change. */
  readonly vector: ConsentVector;
  readonly changes: readonly PurposeChange[];
  /** TRK-1: exactly these recipients are expected to answer. */
  readonly recipients: readonly RecipientId[];
  /** t1: database time, ISO 8601 with microseconds. */
  readonly committedAt: string;
  /** Per audience a compact JWE of the identifiers its recipients declare (SEAL-1). */
  readonly sealed: Readonly<Record<Audience, string>>;
}

/** `org.entente.catalogue.changed.v1`: one catalogue transaction. */
export interface CatalogueChanged extends CatalogueChange {
  readonly committedAt: string;
}

/** [start id, number] of a beat that came back (REL-4). */
export type ReturnedBeat = readonly [GateStartId, number];

export interface LedgerHead {
  readonly number: number;
  /** SHA-256 of the chain up to `number`, lower hex; 64 zeros at 0. */
  readonly hash: string;
}

/** `org.entente.relay.watermark.v1`: every deny-direction change answered before the pass began stands before me. */
export interface Watermark {
  readonly incarnation: number;
  /** The pass number of this shard within the incarnation; grows, may jump. */
  readonly number: number;
  readonly logEpoch: number;
  /** Highest offset the broker acknowledged to us in this partition before this record; −1 for none, as a decimal string. */
  readonly highestAcked: string;
  /** Database time of the pass, ISO 8601. */
  readonly passTime: string;
  readonly catalogue: number;
  readonly ledger: LedgerHead;
  readonly beats: readonly ReturnedBeat[];
}

interface FromGate {
  readonly start: GateStartId;
  /** Operator's name of the gate, e.g. `crm-connector-1`. */
  readonly gate: string;
  readonly controller: ControllerId;
}

/** `org.entente.gate.beat.v1`: I am here. `number` counts beats of this start. */
export interface GateBeat extends FromGate {
  readonly number: number;
  readonly recipients: readonly RecipientId[];
}

/** `org.entente.gate.confirmed.v1` (GATE-6): for this start alone, for every version up to the one named. */
export interface GateConfirmed extends FromGate {
  readonly recipients: readonly RecipientId[];
  readonly confirmed: readonly {
    readonly subjectKey: SubjectKey;
    readonly version: number;
    /** Gate host's clock, ISO 8601. */
    readonly closedAt: string;
  }[];
  /** Host clock minus database clock in milliseconds and its error, where the gate can measure it. */
  readonly clock?: { readonly offsetMs: number; readonly errorMs: number };
}

/** `org.entente.gate.signed-off.v1`: this start has ended its leases; `predecessor` is struck out with it (GATE-6). */
export interface GateSignedOff extends FromGate {
  readonly ended: GateStartId;
}

export const outcomes = [
  'waiting',
  'accepted',
  'confirmed',
  'nothing-to-do',
  'never-shared',
  // ADR 27: nothing more leaves, and the partner offers no call to take back what it was given.
  'not-recalled',
  'superseded',
  'parked',
] as const;
export type Outcome = (typeof outcomes)[number];

/** Outcomes after which nothing more is expected of a recipient for that version. */
export const settledOutcomes: ReadonlySet<Outcome> = new Set([
  'accepted',
  'confirmed',
  'nothing-to-do',
  'never-shared',
  'not-recalled',
  'superseded',
]);

/**
 * Reasons of a `waiting` or `parked` outcome that takes an earlier `accepted` of the same version back (ADR 12): the
 * partner did not carry out what it had accepted, or was found serving what it had been told to stop, or turned out to have been given data that nobody had recorded.
 */
export const contradictionReasons = ['acceptance-not-kept', 'still-served', 'exposure-imported'] as const;
export type ContradictionReason = (typeof contradictionReasons)[number];

/** `org.entente.enforcement.recorded.v1`: what became of a change at one recipient. */
export interface EnforcementRecorded {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly recipient: RecipientId;
  /** Settles every change of this subject at this recipient up to this version (TRK-1). */
  readonly version: number;
  readonly direction: 'deny' | 'grant';
  readonly outcome: Outcome;
  /** Stable word for the operator (`timeout`, `missing-identifier`, …); never the partner's raw text. */
  readonly reason?: string;
  readonly attempts: number;
  /** The partner's own reference of the accepted request, where it gives one. */
  readonly reference?: string;
  /** t3 and t5 or t6 in database time, ISO 8601, and the error of that measurement in milliseconds. */
  readonly consumedAt?: string;
  readonly at: string;
  readonly clockErrorMs: number;
}

/**
 * `org.entente.recipient.described.v1`: what people may expect of a recipient's partner, said by whoever serves the
 * recipient, at each start and once a day.
 */
export interface RecipientDescribed {
  readonly controller: ControllerId;
  readonly recipient: RecipientId;
  /** What the partner's documentation says about its own processing time. */
  readonly documentedDelay: PlainText;
  /** The newest word counts. */
  readonly at: string;
}

/** `org.entente.sharing.exposed.v1`: first exposure of subject × recipient × purpose (SHR-1). */
export interface SubjectExposed {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly recipient: RecipientId;
  readonly purpose: PurposeId;
  readonly at: string;
}

/** `org.entente.sharing.sent.v1`: what left towards one recipient, told by the egress in the tick of each write (ADR 30). */
export interface SharesSent {
  readonly controller: ControllerId;
  readonly recipient: RecipientId;
  /** Name of the gate behind which they were written. */
  readonly gate: string;
  /** Of `at`, milliseconds; the time of a host that could not measure its clock is uncertain by more than *D*. */
  readonly clockErrorMs: number;
  readonly sends: readonly {
    readonly subjectKey: SubjectKey;
    readonly purpose: PurposeId;
    /** Version of the person's consents at which the gate allowed it. */
    readonly version: number;
    /** Just before the first byte, database time, ISO 8601. */
    readonly at: string;
  }[];
}

/** `org.entente.sharing.requested.v1`: data asking to leave; the payload is a JWE for the connector's audience (SEAL-2). */
export interface ShareRequested {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly purpose: PurposeId;
  readonly recipient: RecipientId;
  readonly requestId: string;
  /** Compact JWE of {identifiers?, fields}. */
  readonly payload: string;
  /** A gate below this version answers stale (GATE-5). */
  readonly atLeastVersion?: number;
}
