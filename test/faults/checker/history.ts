import type { ApiFail, ApiInfo, ApiInvoke, ApiOk } from './events/client.ts';
import type {
  Apply,
  GateConfirmed,
  GateDecision,
  OpsAlert,
  OpsReport,
  StoreEvent,
  StoreState,
  TrackerRow,
} from './events/claims.ts';
import type { DbCatalogue, DbChange, DbLedger, DbOutbox, DbState } from './events/database.ts';
import type { ConsumerAssigned, ConsumerPoll, ProduceAck, TopicEnds, TopicRecord } from './events/kafka.ts';
import type { EgressEnd, EgressStart, PartnerRequest, PartnerState } from './events/partner.ts';
import type { Mark, Nemesis, ProcessEnded, ProcessStarted } from './events/run.ts';

export type * from './events/client.ts';
export type * from './events/claims.ts';
export type * from './events/database.ts';
export type * from './events/kafka.ts';
export type * from './events/partner.ts';
export type * from './events/run.ts';
export type * from './events/shapes.ts';

/**
 * A recorded history: what the harness saw from outside (API client, database dump, topic tap, egress tap, partner log,
 * nemesis) beside what the system claims of itself (tracker, confirmations, decisions, applies). One event is one JSON
 * object, so a history is a JSONL file; see `history-file.ts`.
 *
 * Every time is in milliseconds (a float) of ONE monotonic clock, the harness's own; `at` is always the instant the
 * event took place, not the instant it was written down. Database and broker times are translated by the harness, with
 * the error of that translation in `errorMs` where it matters. Events may stand in any order.
 */
export interface History {
  readonly settings: Settings;
  readonly events: readonly HistoryEvent[];
  /** PRIVACY: everything the system left behind, by name (topic dumps, logs, metrics, URLs, error bodies). */
  readonly artefacts?: readonly Artefact[];
  /** PRIVACY: planted identifiers that must never occur in an artefact. */
  readonly canaries?: readonly string[];
}

/** The numbers the run was configured with; `defaultSettings` holds those of design.md and reliability-plan §1. */
export interface Settings {
  /** *D*, `maxStaleness`. */
  readonly maxStalenessMs: number;
  /** *e*, scheduling slack. */
  readonly slackMs: number;
  readonly leaseMs: number;
  /** *T_att*: hard end of one attempt. */
  readonly attemptTimeoutMs: number;
  /** Two instants closer than this count as equal: 1 for taps of real processes, 0 under virtual time. */
  readonly clockResolutionMs: number;
  /** RE-CHECK: oldest decision a chunk may be sent under (GATE-5). */
  readonly recheckMs: number;
  /** AVAIL: a gate is open again this long after a fault healed or its process started. */
  readonly reopenMs: number;
  /** AVAIL: share of shares of a long-granted subject that must be allowed while nothing is wrong. */
  readonly availability: number;
  /** ACK-COMPLETE: a withdrawal is settled or parked with an alert this long after its commit. */
  readonly settleWithinMs: number;
  /** ISOLATION: p99 of undisturbed recipients during a fault, against quiet. */
  readonly isolationRatio: number;
  /** Stuck consumer: records wait this long while nothing is wrong and the consumer takes none. */
  readonly stuckMs: number;
}

export const defaultSettings: Settings = {
  maxStalenessMs: 2000,
  slackMs: 50,
  leaseMs: 1950,
  attemptTimeoutMs: 5000,
  clockResolutionMs: 1,
  recheckMs: 250,
  reopenMs: 5000,
  availability: 0.999,
  settleWithinMs: 60_000,
  isolationRatio: 1.2,
  stuckMs: 10_000,
};

export interface Artefact {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type HistoryEvent =
  | ApiInvoke
  | ApiOk
  | ApiFail
  | ApiInfo
  | DbChange
  | DbCatalogue
  | DbState
  | DbLedger
  | DbOutbox
  | TopicRecord
  | ProduceAck
  | TopicEnds
  | ConsumerPoll
  | ConsumerAssigned
  | EgressStart
  | EgressEnd
  | PartnerRequest
  | PartnerState
  | TrackerRow
  | OpsAlert
  | OpsReport
  | GateConfirmed
  | GateDecision
  | Apply
  | StoreEvent
  | StoreState
  | ProcessStarted
  | ProcessEnded
  | Nemesis
  | Mark;
export type EventKind = HistoryEvent['kind'];
export type EventOf<Kind extends EventKind> = Extract<HistoryEvent, { readonly kind: Kind }>;
