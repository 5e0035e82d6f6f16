/**
 * What the API answers the console, the CLI and exports: values only, so that server and browser share one description.
 * Times are ISO 8601, durations say their unit in their name; a page never computes a state of its own.
 */

/** One word per recipient on every page, API and CLI (ops-and-ux.md §3). */
export type RecipientStatus = 'OK' | 'QUIET' | 'SLOW' | 'STALLED' | 'STOPPED' | 'PARTNER_DOWN' | 'BLIND';

/** Why a recipient has its status, as a word that a page turns into a sentence. */
export type StatusReason =
  | 'nothing-pending'
  | 'in-time'
  | 'falling-behind'
  | 'late'
  | 'parked'
  | 'credentials-refused'
  | 'no-progress'
  | 'partner-fails'
  | 'connector-left'
  | 'connector-silent'
  | 'never-heard'
  | 'tracker-blind';

export type Blame = 'pipeline' | 'partner' | 'none';

/** In both languages, for pages that speak either. */
export interface PlainText {
  readonly en: string;
  readonly fr: string;
}

export interface RecipientSummary {
  readonly recipient: string;
  readonly name: string;
  readonly kind: string;
  readonly status: RecipientStatus;
  readonly reason: StatusReason;
  /** Counts stop at `countedUpTo`: more is shown as “at least”. */
  readonly unenforced: number;
  readonly waiting: number;
  readonly retrying: number;
  readonly parked: number;
  readonly countedUpTo: number;
  readonly oldestUnenforcedS: number;
  readonly oldestParkedS: number;
  /** Seconds since the newest beat of any gate that guards it; null when none is alive. */
  readonly gateSilentS: number | null;
  readonly leaks: number;
  /** What the partner's documentation says about its own processing time; null until its connector has told it. */
  readonly documentedDelay: PlainText | null;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface ConnectorLine extends RecipientSummary {
  /** From the commit, over the newest withdrawals (`sampled`); null when there is none. */
  readonly gateClosedMs: Percentiles | null;
  readonly acceptedMs: Percentiles | null;
  /** Deadlines of 60 s judged in the last 24 hours. */
  readonly judged24h: { readonly met: number; readonly missedByUs: number; readonly missedByPartner: number };
}

/** A withdrawal in a list: whom it concerns stays masked. */
export interface WithdrawalLine {
  readonly changeId: string;
  readonly subject: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: number;
  readonly gatesClosed: number;
  readonly settled: number;
  /** Worst of its recipients, null while one is open. */
  readonly slowestMs: number | null;
}

/** An alert of ours that fires. */
export interface AlertLine {
  readonly name: string;
  readonly recipient: string | null;
  readonly severity: 'page' | 'ticket';
  readonly since: string;
  readonly summary: string;
  readonly owner: string | null;
  readonly runbook: string | null;
  readonly silenced: boolean;
}

/** Nobody is called for these until then. */
export interface SilenceLine {
  readonly of: string;
  readonly by: string;
  readonly until: string;
  readonly comment: string;
}

export interface AlertsView {
  /** False when Alertmanager does not: then nobody knows here what fires. */
  readonly answers: boolean;
  readonly alerts: readonly AlertLine[];
  readonly silences: readonly SilenceLine[];
}

export interface Overview {
  readonly at: string;
  readonly allEnforced: boolean;
  /** Every withdrawal answered before it is known here; null while that cannot be said (ADR 32). */
  readonly knownUntil: string | null;
  /** This service's clock minus the database's: what is called old or late may be off by as much. */
  readonly clockSkewS: number;
  /** Null where no Alertmanager is named. */
  readonly alerts: AlertsView | null;
  /** Records of the logs that nobody could read: one of them may be a withdrawal. */
  readonly unreadableRecords: number;
  readonly deadlineS: number;
  readonly connectors: readonly ConnectorLine[];
  readonly latest: readonly WithdrawalLine[];
}

export interface SessionView {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly controller: string;
  readonly endsAt: string;
  /** A local stack whose partners can be broken on purpose. */
  readonly demo: boolean;
}

/** A withdrawal that one recipient has not enforced. */
export interface StuckLine {
  readonly changeId: string;
  readonly subject: string;
  readonly recipient: string;
  readonly name: string;
  readonly purposes: readonly string[];
  readonly committedAt: string;
  readonly ageS: number;
  readonly state: 'waiting' | 'retrying' | 'parked';
  readonly reason: string | null;
  readonly attempts: number;
  readonly gateClosed: boolean;
  readonly blame: Blame;
}

/** One page of a list; `next` asks for the one after it, null at the end. */
export interface ListPage<T> {
  readonly at: string;
  readonly items: readonly T[];
  readonly next: string | null;
}

/** Something that left, or is still in use, after its withdrawal. */
export interface LeakLine {
  readonly recipient: string;
  readonly name: string;
  readonly purposes: readonly string[];
  readonly subject: string;
  /** For whoever may act (`ops:operate`); null for others. */
  readonly subjectKey: string | null;
  /** When it left, or was found to be in use. */
  readonly at: string;
  readonly detector: 'egress_audit' | 'canary' | 'readback';
  /** The last change before that which did not allow it; null once the tracker has forgotten it. */
  readonly changeId: string | null;
  readonly withdrawnAt: string | null;
}

export interface LeaksView extends ListPage<LeakLine> {
  /** Sends that the egress audit has held against the consent history; `since` the first of them, null when there is none. */
  readonly looked: { readonly sends: number; readonly since: string | null };
}

/** Parked work of one recipient and cause. */
export interface ParkedGroup {
  readonly recipient: string;
  readonly name: string;
  readonly reason: string;
  readonly count: number;
  readonly countedUpTo: number;
  readonly oldestAt: string;
  readonly newestAt: string;
  readonly sample: { readonly changeId: string; readonly subject: string };
  /** Whether this service knows the connector to ask. */
  readonly replayable: boolean;
}

export interface ParkedView {
  readonly at: string;
  readonly groups: readonly ParkedGroup[];
}

export interface ReplayView {
  readonly recipient: string;
  readonly reason: string | null;
  readonly dryRun: boolean;
  /** People whose newest state is sent again (or would be): the connector keeps one row for each. */
  readonly people: number;
  /** How many of them are canaries, which no list of people shows. */
  readonly canaries: number;
  /** Parked changes that a newer one of the same person has replaced: they are not sent on their own. */
  readonly superseded: number;
  /** Most that one call takes; with as many, ask again afterwards. */
  readonly atMost: number;
}

export interface AuditLine {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  /** `console`, or the id of the machine whose token was used. */
  readonly via: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
  /** How often within its minute. */
  readonly times: number;
}

export type Stage = 'published' | 'consumed' | 'gate' | 'accepted' | 'confirmed' | 'visible' | 'whole';

export interface StageFigures extends Percentiles {
  readonly stage: Stage;
  readonly count: number;
}

export interface HeatCell {
  readonly count: number;
  /** The slowest of them, to look at. */
  readonly example: string | null;
}

export interface GateInstance {
  readonly gate: string;
  readonly start: string;
  readonly since: string;
  readonly silentS: number;
  readonly lastConfirmedAt: string | null;
  /** Withdrawals committed for which this start's confirmation is still missing. */
  readonly behind: number;
}

export interface ConnectorView {
  readonly at: string;
  readonly line: ConnectorLine;
  readonly sample: { readonly size: number; readonly since: string | null };
  readonly stages: readonly StageFigures[];
  /** Acceptance delay over time. */
  readonly series: readonly ({ readonly at: string; readonly count: number } & Percentiles)[];
  /** Rows are delays up to `limitsS` (the last two: longer, and not accepted yet), columns are spans of time. */
  readonly heat: {
    readonly limitsS: readonly number[];
    readonly columns: readonly string[];
    readonly cells: readonly (readonly HeatCell[])[];
  };
  readonly instances: readonly GateInstance[];
  readonly deadlines24h: readonly {
    readonly within: string;
    readonly met: number;
    readonly missedByUs: number;
    readonly missedByPartner: number;
  }[];
}

export interface PersonView {
  readonly at: string;
  readonly subject: string;
  readonly withdrawals: readonly WithdrawalLine[];
}

/** One synthetic withdrawal (docs/canaries.md). Durations in milliseconds; null where the run did not come to that. */
export interface CanaryRun {
  readonly id: string;
  readonly recipient: string;
  readonly askedBy: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** Null while it runs. */
  readonly result: 'ok' | 'late' | 'lost' | 'error' | null;
  readonly reason: string | null;
  readonly changeId: string | null;
  /** The item offered before the withdrawal, which must arrive. */
  readonly arrivedMs: number | null;
  readonly gateMs: number | null;
  readonly acceptedMs: number | null;
  /** What became of the item offered after the withdrawal: denied or held. */
  readonly refused: string | null;
}

export interface CanaryLine {
  readonly recipient: string;
  readonly name: string;
  /** Whether this service runs one here. */
  readonly configured: boolean;
  readonly lastSuccessAt: string | null;
  readonly running: boolean;
  /** Newest first. */
  readonly runs: readonly CanaryRun[];
}

export interface CanariesView {
  readonly at: string;
  /** Between two runs of one recipient. */
  readonly everyS: number;
  readonly canaries: readonly CanaryLine[];
}

/** What the newest comparison with a partner's own store found (docs/operations.md). */
export interface ReconciliationLine {
  readonly recipient: string;
  readonly name: string;
  /** `unreachable`: its connector does not say; `no-connector`: this service does not know whom to ask. */
  readonly state: 'never' | 'running' | 'done' | 'failed' | 'unreachable' | 'no-connector';
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly askedBy: string | null;
  readonly reason: string | null;
  readonly counts: {
    readonly checked: number;
    /** The partner still had them; revoked again. */
    readonly extra: number;
    readonly repaired: number;
    readonly stale: number;
    readonly missing: number;
    readonly unreadable: number;
  } | null;
  /** The first of them, people masked. */
  readonly findings: readonly {
    readonly kind: string;
    readonly subject: string;
    readonly purposes: readonly string[];
    readonly reason: string | null;
  }[];
}

export interface ReconciliationsView {
  readonly at: string;
  readonly recipients: readonly ReconciliationLine[];
}

/** Which faults the partners of a local stack have now. */
export interface DemoView {
  readonly switches: readonly string[];
  readonly partners: readonly {
    readonly recipient: string;
    readonly on: readonly string[];
    readonly reimports: boolean;
  }[];
}

/** One change at one recipient. */
export interface RecipientView {
  readonly recipient: string;
  readonly name: string;
  readonly state: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly attempts: number;
  readonly gateClosedAt?: string;
  readonly gateClosedMs?: number;
  readonly gateClosedBy?: string;
  readonly acceptedAt?: string;
  readonly acceptedMs?: number;
  readonly confirmedAt?: string;
  /** When the partner was last found not to keep what it had accepted. */
  readonly contradictedAt?: string;
  /** How long the partner itself says that it may take after it has accepted; absent until its connector has told it. */
  readonly documentedDelay?: PlainText;
  readonly times: {
    readonly t1: string;
    readonly t2: string;
    readonly t3?: string;
    readonly t4?: string;
    readonly t5?: string;
    readonly t6?: string;
    readonly t7?: string;
  };
  readonly errorMs: number;
}

/** As it is told: whoever may act is told whom it concerns, to others people stay masked. */
export type PropagationAnswer = Omit<PropagationView, 'subjectKey'> & {
  readonly subject: string;
  readonly subjectKey: string | null;
};

/** One change at every recipient it concerns. */
export interface PropagationView {
  readonly changeId: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly direction: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: readonly RecipientView[];
  readonly allGatesClosed: boolean;
  readonly allAccepted: boolean;
}
