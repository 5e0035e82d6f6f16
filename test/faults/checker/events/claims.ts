import type { At, OfRecipient, OfSubject } from './shapes.ts';

export type TrackerStatus =
  | 'waiting'
  | 'retrying'
  | 'parked'
  | 'accepted'
  | 'confirmed'
  | 'nothing-to-do'
  | 'never-shared'
  | 'not-recalled'
  | 'superseded';

/** One row of the tracker as read at `at`; times in it are translated. */
export interface TrackerRow extends At<'tracker.row'>, OfRecipient {
  readonly version: number;
  readonly status: TrackerStatus;
  readonly gateClosedAt?: number;
  /** When it says the outcome fell; without it `at`. */
  readonly settledAt?: number;
  /** Error of the translation of the two times above. */
  readonly errorMs?: number;
  readonly reason?: string;
  /** The whole-table dump it belongs to: a row of an earlier dump must be in every later one. */
  readonly dump?: number;
}

/** An alert stood open (`from` = at) until `to`, or to the end. */
export interface OpsAlert extends At<'ops.alert'> {
  readonly to?: number;
  readonly name: string;
  readonly recipient?: string;
}

/** What an instance of ops answered (`at`) when it was asked (`askedAt`) what is not enforced. */
export interface OpsReport extends At<'ops.report'> {
  readonly askedAt: number;
  readonly process: string;
  /** It says that every withdrawal is enforced everywhere. */
  readonly allEnforced: boolean;
  /** Up to when it claims to know everything, translated; without it the moment it was asked. */
  readonly knownUntil?: number;
  readonly recipients: readonly {
    readonly recipient: string;
    /** It says that it cannot see. */
    readonly blind: boolean;
    readonly oldestMs: number;
  }[];
}

/** GATE-6: this start says it holds the version and sends nothing decided before. */
export interface GateConfirmed extends At<'gate.confirmed'>, OfSubject {
  readonly start: string;
  readonly version: number;
}

/** A gate decided, as its own log says. */
export interface GateDecision extends At<'gate.decision'>, OfRecipient {
  readonly process: string;
  readonly purpose: string;
  readonly decision: 'allow' | 'deny' | 'stale';
  /** The attempt it was taken for. */
  readonly attempt?: string;
  readonly version?: number;
  readonly atLeastVersion?: number;
}

/** A store (gate replica or delivery rows) took this version. */
export interface Apply extends At<'apply'>, OfSubject {
  readonly store: string;
  readonly version: number;
}

/** A store's life: a registered one must receive everything of its controller until it is retired. */
export interface StoreEvent extends At<'store'> {
  readonly store: string;
  readonly what: 'registered' | 'emptied' | 'seeding' | 'seeded' | 'retired';
  readonly controller?: string;
  /** The process that works on it, where one does. */
  readonly process?: string;
}

/** Row of a store's final dump. */
export interface StoreState extends At<'store.state'>, OfSubject {
  readonly store: string;
  readonly version: number;
  /** Purposes it holds as granted, where it keeps the vector. */
  readonly granted?: readonly string[];
}
